//! More of a healthy machine: packages, archives, data bases, services that are told to stop, tests that want a crash.

use super::super::case::Case;

pub(super) const ALL: &[Case] = &[
    Case::noise("noise/packages", "node unpacks a thousand small files and runs install scripts, of which some fail", r#"
        cat > install.js <<'SCRIPT'
const fs = require('fs'), { spawn } = require('child_process');
for (let i = 0; i < 1000; i++) {
  fs.mkdirSync(`node_modules/p${i}/lib`, { recursive: true });
  fs.writeFileSync(`node_modules/p${i}/lib/index.js`, `module.exports = ${i};\n`.repeat(50));
}
let left = 12;
const next = () => { if (left-- > 0) spawn(process.execPath, ['-e', `process.exit(${left % 3 ? 0 : 1})`]).on('exit', next); };
for (let i = 0; i < 4; i++) next();
SCRIPT
        node install.js"#,
    ).needs(&["node"]),
    Case::noise("noise/pip", "pip looks for what is not there, compiles, and is done", r#"
        "$PYTHON" -m pip --version || exit 77
        for i in 1 2 3; do "$PYTHON" -m pip download -q --no-index --find-links . "nothing-like-it$i"; done
        cp -r /usr/lib/python3/dist-packages copy 2> /dev/null; "$PYTHON" -m compileall -q -f copy > /dev/null; true"#,
    ),
    Case::noise("noise/archives", "tar | xz of the documentation, and back", "
        tar cf - /usr/share/doc 2> /dev/null | head -c 60M | xz -T 2 -3 > all.xz; xz -dc all.xz | tar tf - | tail -n 1; rm all.xz; true",
    ).needs(&["xz"]),
    Case::noise("noise/make-k", "make -j4 -k of forty files, of which ten do not compile", "
        i=0; while [ $i -lt 40 ]; do i=$((i + 1))
            if [ $((i % 4)) = 0 ]; then echo 'int f( {' > f$i.c; else echo \"int f$i(int x) { return x * $i; }\" > f$i.c; fi
        done
        printf 'all: %s\\n' \"$(seq -f f%g.o -s ' ' 40)\" > Makefile
        ! make -s -j 4 -k",
    ).needs(&["make"]),
    Case::noise("noise/linker", "C++ and Rust are compiled and linked with all optimizations", r#"
        i=0; while [ $i -lt 4 ]; do i=$((i + 1))
            printf '#include <map>\n#include <regex>\n#include <string>\n#include <iostream>\nint main() { std::map<std::string, std::regex> m; m["a"] = std::regex("(a|b)*c"); std::cout << m.size() << std::endl; }\n' > a$i.cc
            g++ -O3 -flto -g -o a$i a$i.cc && ./a$i
        done"#,
    ).needs(&["g++"]),
    Case::noise("noise/sqlite", "a bulk insert, many small commits, an index, a vacuum", r#"
        "$PYTHON" -c '
import sqlite3
db = sqlite3.connect("data.db")
db.execute("create table t (a integer, b text)")
db.executemany("insert into t values (?, ?)", ((i, "x" * 200) for i in range(200000)))
db.commit()
for i in range(200):
    db.execute("update t set a = a + 1 where rowid = ?", (i,)); db.commit()
db.execute("create index i on t (b, a)"); db.execute("delete from t where a % 2"); db.commit(); db.execute("vacuum")'
        rm data.db"#,
    ),
    Case::noise("noise/mirror", "a tree is copied twice, compared and removed", "
        cp -a /usr/share/doc first; cp -a first second; diff -rq first second; touch second/new
        diff -rq first second; find second -newer first -type f | head -n 3; rm -rf first second; true",
    ),
    Case::noise("noise/runtime", "a runtime that takes its heap and eighty threads, then waits", "py runtime 80 300 12"),
    Case::noise("noise/restarts", "a service is restarted by hand, once it does not obey", r#"
        name web
        export EVENTS=
        for i in 1 2 3 4 5; do
            start-stop-daemon --start --background --make-pidfile --pidfile "$PWD/pid" --exec "$PWD/web" -- sleep 60000
            sleep 1; start-stop-daemon --stop --retry TERM/1/KILL/2 --pidfile "$PWD/pid"
        done
        py stop_hard 1 sh -c 'trap "" TERM; while :; do sleep 0.2; done'
        py stop_hard 1 ./web sleep 60000"#,
    ).needs(&["start-stop-daemon"]),
    Case::noise("noise/log-rotation", "logs are moved away and their writers sent SIGHUP: one reopens, one ends", r#"
        sh -c 'trap "exec > log" HUP; while :; do echo line; sleep 0.1; done' > log & one=$!
        sh -c 'while :; do echo line; sleep 0.1; done' > log2 & two=$!
        for i in 1 2 3; do
            sleep 1; mv log log.$i; mv log2 log2.$i 2> /dev/null; kill -HUP $one $two 2> /dev/null; gzip -f log.$i
        done
        kill $one; wait; true"#,
    ),
    Case::noise("noise/sessions", "terminals that go away, with jobs in them", r"
        name job
        export EVENTS=
        py hang_up 1500 './job sleep 60000 &\nfalse\n' bash -i
        py hang_up 1500 './job sleep 60000\n' bash -i
        py hang_up 1500 'cat\n' sh -i; true",
    ).needs(&["bash"]),
    Case::noise("noise/signals", "a person ends programs by SIGTERM, SIGHUP and SIGKILL, among them busy ones", r#"
        name batch
        export EVENTS=
        for signal in TERM HUP KILL; do
            ./batch sleep 60000 & one=$!; "$PYTHON" -c 'while True: pass' & two=$!; yes > /dev/null & three=$!
            sleep 1; kill -$signal $one; kill -$signal $two; kill -$signal $three; wait
        done; true"#,
    ),
    Case::noise("noise/expected-crashes", "a test suite whose programs are to crash: by a null pointer, by abort, by an assertion", r#"
        name tool
        cat > test_it.py <<'SCRIPT'
import os, subprocess, sys, unittest

def run(*command):
    return subprocess.run(command, env={**os.environ, "EVENTS": ""}, stderr=subprocess.DEVNULL).returncode

class Crashing(unittest.TestCase):
    def test_native(self):
        for _ in range(6):
            self.assertEqual(run("./tool", "crash", "segv"), -11)
            self.assertEqual(run("./tool", "crash", "abort"), -6)
    def test_python(self):
        for _ in range(4):
            self.assertEqual(run(sys.executable, "-c", "import os; os.abort()"), -6)
    def test_by_shell(self):
        for _ in range(4):
            self.assertEqual(run("sh", "-c", "./tool crash fpe; exit $?"), 136)
SCRIPT
        "$PYTHON" -m unittest -q test_it"#,
    ),
    Case::noise("noise/slow-tests", "a test suite that starts one slow program again and again and wants it to fail", r#"
        name cli
        printf 'import subprocess, unittest\nclass It(unittest.TestCase):\n    def test(self):\n        for _ in range(9):\n            self.assertEqual(subprocess.run(["./cli", "exit", "1", "600"]).returncode, 1)\n' > test_it.py
        EVENTS= "$PYTHON" -m unittest -q test_it"#,
    ),
    Case::noise("noise/perl", "perl with children, some of which die", r#"
        perl -e 'for my $i (1 .. 60) { my $pid = fork; if (!$pid) { die "no\n" if $i % 2; exit 0 } waitpid $pid, 0 }' 2> /dev/null; true"#,
    ).needs(&["perl"]),
];
