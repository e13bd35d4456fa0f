//! Shells and interpreters whose commands somebody gives them who is not here.

use super::sign::{Sign, is_below};
use crate::kinds::case::Statement;
use crate::kinds::pieces::Who;
use crate::kinds::suspicious_exec::executed::{Executed, Look};
use crate::kinds::suspicious_exec::facts::{Carriage, ExecFact, Socket};
use crate::kinds::suspicious_exec::look::{Carrier, Endpoint, Remote, Stdin, Way};
use crate::kinds::suspicious_exec::operands;
use crate::model::Severity;
use crate::programs::{Roles, is_shell_name};

/// Somebody who is not here gives it commands: over its standard input, a terminal, or pipes.
pub(super) fn shell(executed: &Executed<'_>) -> Option<Sign> {
    let (it, look) = (executed.process, executed.look?);
    let stdin = look.stdin?;
    // Beside a command or a script, stdin is only input.
    let argv = it.argv.join("\0");
    if !operands::reads_stdin(&it.name, argv.as_bytes()) {
        return None;
    }
    // The sites are as they always were: a fault keeps its fingerprint.
    match (stdin, &look.remote) {
        (_, Some(Remote { connection: _, carrier: Some(carrier) })) => Some(carried(look, carrier)),
        (Stdin::Network, remote) => {
            let mut sign = on_socket(Severity::Critical, Socket::Network, "a network socket");
            sign.facts.extend(remote.as_ref().map(|it| Statement::new("proc:net", connection(it))));
            Some(sign)
        }
        (Stdin::Terminal, None) => on_terminal(look),
        (Stdin::Ordinary, None) => None,
        _ if !is_shell_name(&it.name) || is_below(executed, Roles::SOCKET_STARTER) => None,
        (Stdin::Local, None) => Some(on_socket(Severity::Info, Socket::Local, "a local socket")),
        _ => Some(on_socket(
            Severity::Warning,
            Socket::OtherFamily,
            "a socket that is neither local nor an internet socket",
        )),
    }
}

fn on_socket(severity: Severity, socket: Socket, site: &str) -> Sign {
    Sign::new(severity, "proc:fd", ExecFact::ExecShellOnSocket { socket }, site)
}

fn carried(look: &Look, carrier: &Carrier) -> Sign {
    let (by, site) = match carrier.way {
        Way::Terminal => (Carriage::Terminal, "a terminal that leads to the network"),
        Way::Pipes => (Carriage::Pipes, "pipes that lead to the network"),
        Way::LocalSocket => (Carriage::LocalSocket, "a local socket that leads to the network"),
    };
    let who = Who { name: carrier.name.as_str().into(), pid: carrier.pid };
    let fact = ExecFact::ExecCommandsCarried { by, carrier: who };
    let mut sign = Sign::new(Severity::Critical, "proc:fd", fact, site);
    sign.facts.extend(look.remote.as_ref().map(|it| Statement::new("proc:net", connection(it))));
    sign
}

/// Whoever serves the network needs no terminal; people who log in have a session of their own.
fn on_terminal(look: &Look) -> Option<Sign> {
    let service = look.service.as_ref().filter(|_| !look.is_logged_in)?;
    let severity = if service.is_known { Severity::Critical } else { Severity::Warning };
    let sign = Sign::new(severity, "proc:fd", ExecFact::ExecShellOnTerminal {}, "a terminal below a service");
    Some(Sign { is_of_service: true, ..sign })
}

fn connection(remote: &Remote) -> ExecFact {
    let Endpoint { address, port } = remote.connection.local;
    let peer = remote.connection.peer;
    ExecFact::ExecConnection {
        local_address: address.to_string().into(),
        local_port: port,
        peer_address: peer.map(|it| it.address.to_string().into()),
        peer_port: peer.map(|it| it.port),
    }
}
