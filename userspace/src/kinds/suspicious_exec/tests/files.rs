//! Programs, scripts, libraries and rights that nobody installed, by who runs them and below what.

use super::remote::service;
use super::*;
use crate::kinds::suspicious_exec::Service;

fn as_user(uid: u32, service: Option<Service>) -> impl Fn(&mut It) {
    move |it| {
        it.process.uid = Some(uid);
        if let Some(look) = it.look.as_mut() {
            look.service.clone_from(&service);
        }
    }
}

const WWW_DATA: u32 = 33;

#[test]
fn what_the_accounts_of_services_run() {
    let apache = || Some(service("apache2", true));
    for (exe, uid, below, want) in [
        ("/dev/shm/xmrig", WWW_DATA, None, WARNING),
        ("/tmp/.X11/kdevtmpfsi", WWW_DATA, None, WARNING),
        ("/var/tmp/.a/run", 65_534, None, WARNING),
        ("/dev/shm/xmrig", WWW_DATA, apache(), CRITICAL),
        ("/tmp/.X11/run", WWW_DATA, apache(), CRITICAL),
        ("/dev/shm/x", 0, apache(), CRITICAL),
        ("/tmp/x", WWW_DATA, apache(), WARNING),
        ("/tmp/jenkins12.sh", WWW_DATA, Some(service("java", false)), None),
        ("/tmp/x", 0, Some(service("agent", false)), None),
        ("/dev/shm/x", WWW_DATA, Some(service("shop", false)), CRITICAL),
        ("/tmp/x", WWW_DATA, None, None),
        ("/tmp/.tmpAb12/x", WWW_DATA, None, None),
        ("/tmp/.cache/x", 1000, None, None),
        ("/dev/shm/x", 1000, None, WARNING),
        ("/tmp/_MEIx/tool", 1000, None, None),
        ("/home/u/.ansible/tmp/x", 0, None, None),
        ("/home/u/.venv/bin/python3", 1000, None, None),
    ] {
        check(exe, it(exe, &[exe]), as_user(uid, below), want);
    }
    let at_a_desk = |it: &mut It| {
        it.process.uid = Some(1000);
        it.look.as_mut().unwrap().has_terminal = true;
    };
    check("a person's own", it("/dev/shm/x", &["x"]), at_a_desk, None);
}

#[test]
fn what_is_run_by_another_program() {
    let python = "/usr/bin/python3";
    let loader = "/lib64/ld-linux-x86-64.so.2";
    for (exe, argv, want) in [
        (python, &["python3", "/dev/shm/e.py"][..], WARNING),
        ("/usr/bin/perl", &["perl", "-w", "/tmp/.x/a.pl"], WARNING),
        ("/bin/sh", &["sh", "/dev/shm/run"], WARNING),
        (loader, &[loader, "/dev/shm/x"], WARNING),
        (loader, &[loader, "--library-path", "/tmp/lib", "/tmp/.x/y"], WARNING),
        ("/lib/ld-musl-x86_64.so.1", &["ld-musl-x86_64.so.1", "/dev/shm/x"], WARNING),
        (loader, &[loader, "/usr/bin/sleep", "/dev/shm/x"], None),
        (python, &["python3", "/tmp/ansible_x/AnsiballZ_ping.py"], None),
        (python, &["python3", "/usr/bin/x", "/dev/shm/data"], None),
        (python, &["python3", "-c", "1", "/dev/shm/x"], None),
        (python, &["python3", "/tmp/pytest-of-root/pytest-0/test_a0/script.py"], None),
        ("/bin/cat", &["cat", "/dev/shm/x"], None),
    ] {
        let draft = check(&argv.join(" "), it(exe, argv), |_| {}, want);
        let runs = ExecFact::ExecRunsFile { path: argv.last().copied().unwrap_or_default().into() };
        assert_eq!(
            draft.is_some_and(|it| it.facts.iter().any(|fact| fact.data == runs.clone().into())),
            want.is_some()
        );
    }
    let beside = |it: &mut It| it.look.as_mut().unwrap().folder = Some("/dev/shm/".into());
    let draft = check("by a relative path", it(python, &["python3", "./e.py"]), beside, WARNING).unwrap();
    assert!(
        draft
            .facts
            .iter()
            .any(|fact| fact.data == ExecFact::ExecRunsFile { path: "/dev/shm/e.py".into() }.into())
    );
    check("by a relative path elsewhere", it(python, &["python3", "e.py"]), |_| {}, None);
    let build = |it: &mut It| it.above.push("/usr/bin/make".into());
    check("a build's script", it("/bin/sh", &["sh", "/dev/shm/run"]), build, INFO);
}

#[test]
fn roots_rights_for_somebody_else() {
    let rights = |gives, has, uid| {
        move |it: &mut It| {
            it.process.uid = Some(uid);
            let look = it.look.as_mut().unwrap();
            (look.gives_rights, look.has_rights) = (gives, has);
        }
    };
    for (exe, argv, gives, has, uid, want) in [
        ("/usr/local/bin/rootbash", &["rootbash", "-p"][..], true, true, WWW_DATA, CRITICAL),
        ("/bin/bash", &["bash", "-p"], true, true, 1000, CRITICAL),
        ("/home/u/sh2", &["sh2", "-p"], true, false, 1000, CRITICAL),
        ("/tmp/.x", &["x"], true, true, WWW_DATA, CRITICAL),
        ("/bin/sh", &["sh", "-p"], false, true, 1000, WARNING),
        ("/bin/sh", &["sh"], false, false, 1000, None),
        ("/usr/bin/su", &["su", "-p"], true, true, 1000, None),
        ("/usr/bin/sudo", &["sudo", "-p", "x"], true, true, 1000, None),
        ("/opt/google/chrome/chrome-sandbox", &["chrome-sandbox"], true, true, 1000, None),
        ("/bin/bash", &["bash", "-p"], true, true, 0, None),
    ] {
        check(exe, it(exe, argv), rights(gives, has, uid), want);
    }
    let below = |it: &mut It| {
        rights(false, true, WWW_DATA)(it);
        it.look.as_mut().unwrap().service = Some(service("nginx", true));
    };
    check("below a web server", it("/bin/sh", &["sh", "-p"]), below, CRITICAL);
}

#[test]
fn libraries_from_where_everybody_may_write() {
    let preload = |uid, has_terminal| {
        move |it: &mut It| {
            it.process.uid = Some(uid);
            let look = it.look.as_mut().unwrap();
            (look.preload, look.has_terminal) = (Some("/tmp/x.so".into()), has_terminal);
        }
    };
    let sleep = || it("/bin/sleep", &["sleep", "60"]);
    let draft = check("root", sleep(), preload(0, false), WARNING).unwrap();
    assert_eq!(draft.facts[0].data, ExecFact::ExecPreload { path: "/tmp/x.so".into() }.into());
    check("a service", sleep(), preload(WWW_DATA, false), WARNING);
    check("a person who tries something", sleep(), preload(1000, true), INFO);
    let below = |it: &mut It| {
        preload(WWW_DATA, false)(it);
        it.look.as_mut().unwrap().service = Some(service("nginx", true));
    };
    check("below a web server", sleep(), below, CRITICAL);
    let app = |it: &mut It| {
        preload(1000, false)(it);
        it.look.as_mut().unwrap().preload = Some("/tmp/.mount_App/usr/lib/x.so".into());
    };
    check("an AppImage", sleep(), app, None);
    for above in ["/usr/bin/pytest", "/usr/bin/make"] {
        let build = |it: &mut It| {
            preload(0, false)(it);
            it.above.push(above.into());
        };
        check(above, sleep(), build, INFO);
    }
}

#[test]
fn beside_a_service_is_as_bad_as_below_it() {
    let apache = service("apache2", true);
    let mut it = it("/dev/shm/xmrig", &["xmrig"]);
    it.process.uid = Some(WWW_DATA);
    let executed = Executed {
        process: &it.process,
        parent_name: "systemd",
        ancestors: &[],
        has_just_begun: true,
        look: it.look.as_ref(),
        neighbour: Some(&apache),
    };
    let draft = detect(&executed, &ExecLimits::default()).unwrap();
    assert_eq!(draft.severity, Severity::Critical);
    let beside = ExecFact::ExecBesideService { service: Who { name: "apache2".into(), pid: 5 } };
    assert!(draft.facts.iter().any(|fact| fact.data == beside.clone().into()));
}
