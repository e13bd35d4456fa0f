//! Each sign, its near misses, and what makes it worse.

mod files;
mod golden;
mod remote;

use super::*;
use crate::kinds::fixture::healthy;
use crate::kinds::pieces::Who;
use crate::model::ProcessInfo;
use crate::programs;

fn process() -> ProcessInfo {
    ProcessInfo { pid: 42, ppid: 7, name: "worker".into(), ..healthy().process }
}

struct It {
    process: ProcessInfo,
    parent: &'static str,
    above: Vec<String>,
    just_begun: bool,
    look: Option<Look>,
}

/// Root runs `exe`, below bash and sshd.
fn it(exe: &str, argv: &[&str]) -> It {
    let process = ProcessInfo {
        uid: Some(0),
        name: programs::base(exe).chars().take(15).collect(),
        exe: Some(exe.into()),
        argv: argv.iter().map(|&it| it.to_owned()).collect(),
        ..process()
    };
    let look = Look { exe: exe.into(), owner: Some(0), ..Look::default() };
    It {
        process,
        parent: "bash",
        above: vec!["/bin/bash".into(), "/usr/sbin/cron".into()],
        just_begun: true,
        look: Some(look),
    }
}

fn draft(it: &It) -> Option<Draft> {
    let executed = Executed {
        process: &it.process,
        parent_name: it.parent,
        ancestors: &it.above,
        has_just_begun: it.just_begun,
        look: it.look.as_ref(),
        neighbour: None,
    };
    detect(&executed, &ExecLimits::default())
}

/// A program in /dev/shm that root runs.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    let it = it("/dev/shm/.worker", &["/dev/shm/.worker"]);
    let draft = draft(&it).unwrap();
    (it.process, draft)
}

fn check(what: &str, mut it: It, change: impl Fn(&mut It), want: Option<Severity>) -> Option<Draft> {
    change(&mut it);
    let draft = draft(&it);
    assert_eq!(draft.as_ref().map(|it| it.severity), want, "{what}: {draft:?}");
    draft
}

fn seen(it: &mut It, exe: &str, deleted: bool) {
    it.look = Some(Look { exe: exe.into(), is_deleted: deleted, owner: Some(0), ..Look::default() });
}

const INFO: Option<Severity> = Some(Severity::Info);
const WARNING: Option<Severity> = Some(Severity::Warning);
const CRITICAL: Option<Severity> = Some(Severity::Critical);

#[test]
fn programs_without_a_file() {
    let memfd = |name: &'static str| move |it: &mut It| seen(it, name, true);
    let fd = || it("/proc/self/fd/3", &["x"]);
    let draft = check("a memfd", fd(), memfd("/memfd:x (deleted)"), WARNING).unwrap();
    assert_eq!(draft.facts[0].data, ExecFact::ExecFromMemory { memfd: "x".into() }.into());
    check(
        "gone, but the kernel named it",
        fd(),
        |it| (it.look, it.process.name) = (None, "memfd:x".into()),
        WARNING,
    );
    check("gone, and nobody knows", fd(), |it| it.look = None, None);
    check("systemd's executor", fd(), |it| seen(it, "/usr/lib/systemd/systemd-executor", false), None);
    let runc = |it: &mut It| {
        it.parent = "runc";
        seen(it, "/memfd:runc_cloned:/proc/self/exe (deleted)", true);
    };
    check("runc's clone", fd(), runc, None);
    let user = |it: &mut It| {
        runc(it);
        it.process.uid = Some(1000);
    };
    check("runc's name on a user's program", fd(), user, WARNING);
    let init = |parent| {
        move |it: &mut It| {
            (it.parent, it.process.ppid) = (parent, 1);
            seen(it, "/memfd:sealed (deleted)", true);
        }
    };
    check("an unusual init's helper", fd(), init("my_init"), INFO);
    check("below systemd", fd(), init("systemd"), WARNING);
    check(
        "a file that was deleted",
        it("/home/u/x", &[]),
        |it| seen(it, "/home/u/x (deleted)", true),
        WARNING,
    );
    let old = |it: &mut It| {
        it.just_begun = false;
        seen(it, "/opt/x (deleted)", true);
    };
    check("removed while it runs", it("/opt/x", &[]), old, None);
    check(
        "a file that was replaced",
        it("/usr/bin/x", &[]),
        |it| seen(it, "/usr/bin/x (deleted)", false),
        None,
    );
    let build = |it: &mut It| {
        it.above.push("/usr/bin/make".into());
        seen(it, "/tmp/conftest (deleted)", true);
    };
    check("a build's", it("/tmp/conftest", &[]), build, INFO);
    let posing = |it: &mut It| {
        seen(it, "/memfd:x (deleted)", true);
        it.process.argv = vec!["[kworker/0:1]".into()];
    };
    check("with a kernel thread's name", fd(), posing, CRITICAL);
}

#[test]
fn places_where_everybody_may_write() {
    check("root in /tmp", it("/tmp/x", &[]), |_| {}, None);
    check("gone by now", it("/var/tmp/x", &[]), |it| it.look = None, None);
    check("by a relative path", it("./x", &[]), |it| seen(it, "/tmp/a/x", false), None);
    let posing = |it: &mut It| it.process.name = "kswapd0".into();
    let draft = check("beside another sign", it("/tmp/x", &[]), posing, WARNING).unwrap();
    let place = ExecFact::ExecFromOpenFolder { folder: "/tmp".into() };
    assert_eq!((draft.site.as_str(), &draft.facts[1].data), ("posing", &place.into()));
    check("a user in /tmp", it("/tmp/x", &[]), |it| it.process.uid = Some(1000), None);
    check("no such place", it("/tmpfoo/x", &[]), |_| {}, None);
    check("in /dev/shm", it("/dev/shm/x", &[]), |_| {}, WARNING);
    check("hidden", it("/tmp/.x/run", &[]), |_| {}, WARNING);
    check("a temporary folder's usual name", it("/tmp/.tmpAb12/run", &[]), |_| {}, None);
    let owned = |it: &mut It| it.look.as_mut().unwrap().owner = Some(1000);
    check("another's file", it("/tmp/x", &[]), owned, WARNING);
    let served = |it: &mut It| (it.parent, it.process.uid) = ("php-fpm8.2", Some(33));
    check("by a web server", it("/tmp/x", &[]), served, WARNING);
    for (above, want) in [
        ("/usr/bin/dpkg", None),
        ("/usr/bin/apt-get", None),
        ("/root/.cargo/bin/cargo", INFO),
        ("pip3.11", INFO),
        ("/usr/bin/go", INFO),
        ("/opt/cargo-cult", WARNING),
    ] {
        let below = |it: &mut It| it.above.push(above.into());
        check(above, it("/tmp/.x/run", &[]), below, want);
    }
}

#[test]
fn names_of_kernel_threads() {
    for (name, argv, want) in [
        ("kworker/0:1", "x", WARNING),
        ("x", "[kworker/u8:2-events]", WARNING),
        ("x", "[kthreadd]", WARNING),
        ("kswapd0", "x", WARNING),
        ("x", "[", None),
        ("x", "[celeryd: worker]", None),
        ("kswapdaemon", "x", None),
        ("watchdog", "watchdog", None),
    ] {
        check(name, it("/opt/x", &[argv]), |it| it.process.name = name.into(), want);
    }
}

#[test]
fn shells_on_sockets() {
    let on = |stdin| move |it: &mut It| it.look.as_mut().unwrap().stdin = Some(stdin);
    let sh = |argv: &[&str]| it("/bin/sh", argv);
    check("a reverse shell", sh(&["sh", "-i"]), on(Stdin::Network), CRITICAL);
    check("with a command", sh(&["sh", "-c", "id"]), on(Stdin::Network), None);
    let started = |parent| {
        move |it: &mut It| {
            on(Stdin::Network)(it);
            it.parent = parent;
        }
    };
    check("inetd's script", sh(&["sh", "/etc/finger.sh"]), started("inetd"), None);
    check("inetd's bare shell", sh(&["sh", "-i"]), started("inetd"), CRITICAL);
    check("an editor's shell", sh(&["bash"]), on(Stdin::Local), INFO);
    check("node's exec", sh(&["sh", "-c", "ls"]), on(Stdin::Local), None);
    let ssh = |it: &mut It| {
        on(Stdin::Local)(it);
        it.above.push("/usr/sbin/sshd".into());
    };
    check("ssh -T", sh(&["-bash"]), ssh, None);
    check("a terminal", sh(&["bash"]), on(Stdin::Ordinary), None);
}

#[test]
fn only_what_may_matter_is_looked_at() {
    let place = Wanted { exe: true, exe_later: true, place_only: true, ..Wanted::default() };
    let worse = Wanted { place_only: false, ..place };
    let posing = Wanted { exe: true, posing: true, ..Wanted::default() };
    let exe = Wanted { exe: true, ..Wanted::default() };
    let shell = Wanted { exe: true, stdin: true, ..Wanted::default() };
    let rights = Wanted { rights: true, ..Wanted::default() };
    let keeps = Wanted { exe: true, exe_later: true, keeps_rights: true, ..rights };
    let relative = Wanted { place_only: true, ..exe };
    let script = Wanted { exe_later: true, ..exe };
    for (comm, argv, path, uid, want) in [
        ("ls", "ls\0", "/bin/ls", 0, Wanted::default()),
        ("x", "x\0", "./x", 1000, relative),
        ("x", "x\0", "./x", 0, relative),
        ("x", "x\0", "/tmp/x", 1000, place),
        ("x", "x\0", "/tmp/.a/x", 0, worse),
        ("x", "x\0", "/dev/shm/x", 0, worse),
        ("3", "x\0", "/dev/fd/3", 1000, exe),
        ("sh", "sh\0-c\0ls\0", "/bin/sh", 1000, rights),
        ("sh", "sh\0-c\0ls\0", "/bin/sh", 0, Wanted::default()),
        ("sh", "sh\0", "/bin/sh", 0, shell),
        ("bash", "bash\0-i\0", "/bin/bash", 0, Wanted { interactive: true, ..shell }),
        ("bash", "bash\0", "/bin/bash", 33, Wanted { rights: true, ..shell }),
        ("rootbash", "rootbash\0-p\0", "/usr/local/bin/rootbash", 33, keeps),
        ("python3", "python3\0", "/usr/bin/python3", 0, shell),
        ("python3", "python3\0/srv/x.py\0", "/usr/bin/python3", 0, Wanted::default()),
        ("python3", "python3\0/dev/shm/x.py\0", "/usr/bin/python3", 0, script),
        ("python3", "python3\0x.py\0", "/usr/bin/python3", 0, Wanted { folder: true, ..relative }),
        ("ld.so", "ld.so\0/tmp/.x\0", "/usr/bin/ld.so", 33, script),
        ("cat", "cat\0/dev/shm/x\0", "/bin/cat", 33, Wanted::default()),
        ("x", "[kworker/0:1]\0", "/opt/x", 1000, posing),
    ] {
        let got = wanted(
            comm.as_bytes(),
            argv.as_bytes(),
            Some(path.as_bytes()),
            Some(uid),
            &ExecLimits::default(),
        );
        assert_eq!(got, want, "{comm} {path}");
    }
}

#[test]
fn folders_are_the_sites_own() {
    let folders = |folders: &[&str]| ExecLimits {
        exec_folders: folders.iter().map(|&it| it.to_owned()).collect(),
        ..ExecLimits::default()
    };
    for (what, exe, limits, want) in [
        ("as by default", "/dev/shm/x", ExecLimits::default(), WARNING),
        ("a folder of the site's own", "/scratch/.x", folders(&["/scratch/"]), WARNING),
        ("no longer one", "/tmp/.x", folders(&["/scratch/"]), None),
    ] {
        let it = it(exe, &["x"]);
        let executed = Executed {
            process: &it.process,
            parent_name: "bash",
            ancestors: &["/usr/sbin/cron".into()],
            has_just_begun: true,
            look: it.look.as_ref(),
            neighbour: None,
        };
        assert_eq!(detect(&executed, &limits).map(|it| it.severity), want, "{what}");
        let looks = wanted(b"x", b"x\0", Some(exe.as_bytes()), Some(1000), &limits).exe_later;
        assert_eq!(looks, want.is_some(), "{what}");
    }
}
