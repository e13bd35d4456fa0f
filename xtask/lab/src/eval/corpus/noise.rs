//! A busy, healthy machine: nothing of this is anybody's business.

use super::super::case::Case;

pub(super) const ALL: &[Case] = &[
    Case::noise("noise/cargo-build", "cargo builds a workspace of six crates, twice", r#"
        PATH=${CARGO%/*}:$PATH
        for i in 1 2 3 4 5 6; do
            mkdir -p work/c$i/src
            printf '[package]\nname = "c%s"\nversion = "0.1.0"\nedition = "2021"\n' $i > work/c$i/Cargo.toml
            printf 'pub fn f(x: u64) -> u64 { (0..x).map(|i| i * %s).sum() }\n#[test]\nfn t() { assert_eq!(f(3), 3 * %s); }\n' $i $i > work/c$i/src/lib.rs
        done
        printf '[workspace]\nresolver = "2"\nmembers = ["c1", "c2", "c3", "c4", "c5", "c6"]\n' > work/Cargo.toml
        cd work
        "$CARGO" build --offline && "$CARGO" build --offline --release"#,
    ).within_s(600),
    Case::noise("noise/apt", "a small package is installed and removed", r#"
        package=hello
        dpkg-query --show --showformat='${Status}' $package 2> /dev/null | grep -q 'ok installed' && exit 77
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q -y install --no-install-recommends $package || exit 77
        apt-get -q -y purge $package"#,
    ).needs(&["apt-get", "dpkg-query"]),
    Case::noise("noise/find-xargs", "find over a thousand files | xargs -P", "
        find /usr -xdev -type f 2> /dev/null | head -n 1000 | xargs -P 8 -n 1 sh -c 'sha256sum \"$1\" > /dev/null; grep -q x \"$1\"; true' sh",
    ).quick(),
    Case::noise("noise/failing-loop", "a shell loop whose commands fail, 600 of them", "
        i=0; while [ $i -lt 200 ]; do i=$((i + 1)); /bin/false; /bin/ls /nonexistent; /bin/grep -q nothing /etc/hostname; done 2> /dev/null
        true",
    ).quick(),
    Case::noise("noise/unittest", "a test suite with failures it expects, by status and by exception", r#"
        cat > test_it.py <<'SCRIPT'
import subprocess, sys, unittest

class Failing(unittest.TestCase):
    def test_statuses(self):
        for status in list(range(1, 40)) * 2:
            done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.exit({status})"])
            self.assertEqual(done.returncode, status)

    def test_exceptions(self):
        for _ in range(30):
            done = subprocess.run([sys.executable, "-S", "-c", "1 / 0"], stderr=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1)

    @unittest.expectedFailure
    def test_expected(self):
        self.assertTrue(subprocess.run(["/bin/false"]).returncode == 0)

    def test_terminated(self):
        for _ in range(20):
            child = subprocess.Popen(["/bin/sleep", "60"])
            child.terminate()
            self.assertEqual(child.wait(), -15)
SCRIPT
        "$PYTHON" -m unittest -q test_it"#,
    ).quick(),
    Case::noise("noise/thousands-of-exits", "a test suite that spawns three thousand programs that fail", r#"
        "$PYTHON" -c '
import subprocess
for i in range(3000):
    subprocess.run(["/bin/sh", "-c", "exit 1"] if i % 3 else ["/bin/false"])'"#,
    ),
    Case::noise("noise/workers", "a Python program that forks workers", "py workers 8 400000; py prefork 8 3 1").quick(),
    Case::noise("noise/git", "commits, branches, merges, a clone, gc", "
        export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=n@example.org GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=n@example.org
        git init -q repo && cd repo
        i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo $i > file$i; git add .; git commit -q -m \"$i\"; done
        git checkout -q -b side HEAD~10; echo side > side; git add .; git commit -q -m side
        git checkout -q -; git merge -q -m merged side; git diff --quiet HEAD~1; git gc -q
        cd .. && git clone -q repo copy && git -C copy log --oneline | head -n 1",
    ).needs(&["git"]),
    Case::noise("noise/ci", "a CI job: configure, build, tests of which some fail, clean up", r##"
        for header in stdio stdlib nothing_like_it; do
            echo "#include <$header.h>" > conftest.c; cc -c conftest.c 2> /dev/null; test -f conftest.o
        done
        printf 'int main(int c, char **v) { return c > 2; }\n' > a.c; cc -O2 -o a a.c
        for i in 1 2 3 4 5 6 7 8 9 10; do ./a x; ./a x y; ./a x y z; done
        tar czf all.tgz . --exclude all.tgz; tar tzf all.tgz | head -n 1; rm -rf a a.c; true"##,
    ),
    Case::noise("noise/files", "copying, packing, sorting and hashing 200 MB", "
        head -c 100M /dev/urandom > a; cp a b; tar cf - a b | gzip -1 > c.gz; gzip -dc c.gz | sha256sum
        base64 a | sort | uniq -c | tail -n 1; rm -f a b c.gz",
    ),
    Case::noise("noise/containers", "twenty short containers, and checks in them that fail", "
        i=0; while [ $i -lt 20 ]; do i=$((i + 1)); container sh -c 'sleep 0.1; exit 0'; done
        container sleep 6 & sleep 0.5
        inside=$(ps -o pid= --ppid $!)
        i=0; while [ $i -lt 10 ]; do i=$((i + 1)); nsenter --target $inside --pid sh -c 'exit 1'; sleep 0.3; done
        wait",
    ).needs(&["nsenter", "ps"]),
    Case::noise("noise/make", "make -j4 builds forty C files", "
        i=0; while [ $i -lt 40 ]; do i=$((i + 1))
            echo \"#include <stdio.h>\nint f$i(int x) { printf(\\\"%d\\\", x); return x * $i; }\" > f$i.c
        done
        printf 'all: %s\\n\\tar rcs liball.a *.o\\n' \"$(seq -f f%g.o -s ' ' 40)\" > Makefile
        make -s -j 4",
    ).needs(&["make"]),
    Case::noise("noise/node", "node with child processes and threads", r#"
        cat > it.js <<'SCRIPT'
const { spawn, execFileSync } = require('child_process');
const { Worker, isMainThread } = require('worker_threads');
if (isMainThread) {
  for (let i = 0; i < 4; i++) new Worker(__filename);
  for (let i = 0; i < 30; i++) spawn('/bin/sh', ['-c', 'cat; exit 1'], { stdio: 'pipe' }).stdin.end('x');
  for (let i = 0; i < 20; i++) try { execFileSync('/bin/false'); } catch {}
} else { let n = 0; for (let i = 0; i < 2e8; i++) n += i; }
SCRIPT
        node it.js"#,
    ).needs(&["node"]),
];
