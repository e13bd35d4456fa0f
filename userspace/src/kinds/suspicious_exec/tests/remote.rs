//! Shells that somebody who is not here gives commands, by whatever way, and those of people who are.

use super::*;
use crate::kinds::suspicious_exec::facts::Carriage;
use crate::kinds::suspicious_exec::{Carrier, Endpoint, Remote, Service, Socket, Way};

fn end(text: &str) -> Endpoint {
    let it: std::net::SocketAddr = text.parse().unwrap();
    Endpoint { address: it.ip(), port: it.port() }
}

pub(super) fn connection(carrier: Option<(&str, Way)>) -> Remote {
    let connection = Socket::sample(end("10.0.0.2:51000"), Some(end("192.0.2.9:4444")));
    let carrier = carrier.map(|(name, way)| Carrier { name: name.into(), pid: 9, way });
    Remote { connection, carrier }
}

pub(super) fn service(name: &str, is_known: bool) -> Service {
    Service { name: name.into(), pid: 5, address: Some(end("0.0.0.0:80")), is_known }
}

fn on(stdin: Stdin, remote: Option<Remote>) -> impl Fn(&mut It) {
    move |it| {
        let look = it.look.as_mut().unwrap();
        (look.stdin, look.remote) = (Some(stdin), remote.clone());
    }
}

#[test]
fn whoever_has_the_connection() {
    let bash = || it("/bin/bash", &["bash", "-i"]);
    for (what, stdin, carrier, by) in [
        ("python's pty.spawn", Stdin::Terminal, ("python3", Way::Terminal), Carriage::Terminal),
        ("socat with a pty", Stdin::Terminal, ("socat", Way::Terminal), Carriage::Terminal),
        ("a FIFO and nc", Stdin::Ordinary, ("nc", Way::Pipes), Carriage::Pipes),
        ("ncat -e", Stdin::Ordinary, ("ncat", Way::Pipes), Carriage::Pipes),
        ("openssl s_client", Stdin::Ordinary, ("openssl", Way::Pipes), Carriage::Pipes),
        ("socat without a pty", Stdin::Local, ("socat", Way::LocalSocket), Carriage::LocalSocket),
    ] {
        let draft = check(what, bash(), on(stdin, Some(connection(Some(carrier)))), CRITICAL).unwrap();
        let carrier = Who { name: carrier.0.into(), pid: 9 };
        assert_eq!(draft.facts[0].data, ExecFact::ExecCommandsCarried { by, carrier }.into(), "{what}");
        let peer = ExecFact::ExecConnection {
            local_address: "10.0.0.2".into(),
            local_port: 51000,
            peer_address: Some("192.0.2.9".into()),
            peer_port: Some(4444),
        };
        assert_eq!(draft.facts[1].data, peer.into(), "{what}");
    }
    let carried = Some(connection(Some(("python3", Way::Terminal))));
    check("it was given a command", it("/bin/sh", &["sh", "-c", "date"]), on(Stdin::Terminal, carried), None);
}

#[test]
fn interpreters_that_read_their_program() {
    let on_connection = on(Stdin::Network, Some(connection(None)));
    let python = |argv: &[&str]| it("/usr/bin/python3", argv);
    check("code over the network", python(&["python3"]), &on_connection, CRITICAL);
    check("perl, the same", it("/usr/bin/perl", &["perl", "-"]), &on_connection, CRITICAL);
    check("a handler of inetd's", python(&["python3", "/srv/handler.py"]), &on_connection, None);
    check("an editor's", python(&["python3", "-i"]), on(Stdin::Local, None), None);
}

#[test]
fn handlers_on_a_connection_are_no_shells() {
    let on_connection = on(Stdin::Network, Some(connection(None)));
    for (what, exe, argv, want) in [
        ("sh -c", "/bin/sh", &["sh", "-c", "date"][..], None),
        ("a script", "/bin/sh", &["sh", "/srv/finger.sh"], None),
        ("busybox httpd", "/bin/busybox", &["busybox", "httpd", "-i"], None),
        ("busybox cat", "/bin/busybox", &["busybox", "cat"], None),
        ("busybox, a script", "/bin/busybox", &["busybox", "sh", "/srv/x.sh"], None),
        ("busybox sh", "/bin/busybox", &["busybox", "sh"], CRITICAL),
        ("busybox as sh", "/bin/busybox", &["/bin/sh", "-i"], CRITICAL),
        ("without its profile", "/bin/bash", &["bash", "--norc", "-i"], CRITICAL),
    ] {
        check(what, it(exe, argv), &on_connection, want);
    }
}

#[test]
fn terminals_below_a_service() {
    let on_terminal = |service: Option<Service>, is_logged_in| {
        move |it: &mut It| {
            let look = it.look.as_mut().unwrap();
            (look.stdin, look.service) = (Some(Stdin::Terminal), service.clone());
            (look.is_logged_in, look.has_terminal) = (is_logged_in, true);
        }
    };
    let bash = || it("/bin/bash", &["bash"]);
    let draft = check("a web server's", bash(), on_terminal(Some(service("apache2", true)), false), CRITICAL);
    let below = ExecFact::ExecBelowService {
        service: Who { name: "apache2".into(), pid: 5 },
        address: Some("0.0.0.0".into()),
        port: Some(80),
    };
    assert!(draft.unwrap().facts.iter().any(|fact| fact.data == below.clone().into()));
    check("a service's of the site", bash(), on_terminal(Some(service("shop", false)), false), WARNING);
    check("an editor in a login", bash(), on_terminal(Some(service("node", false)), true), None);
    check("ssh, tmux, docker exec -it", bash(), on_terminal(None, false), None);
    let command = it("/bin/bash", &["bash", "-lc", "make"]);
    check("a command on one", command, on_terminal(Some(service("apache2", true)), false), None);
}
