//! The parts of `cargo xtask bench http` that must be built for release: the client, and the two servers that the daemon
//! is measured beside. A server prints its address and ends with its stdin; the client prints a line of JSON.

mod bare;
mod client;
mod flood;
mod seed;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "this is a part of `cargo xtask bench http`; run that";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["bare"] => serve(bare::serve),
        ["seed"] => serve(seed::serve),
        ["load", address, path, key, connections, millis, reuse] => {
            let load = client::Load {
                address: address.parse()?,
                path: path.to_owned(),
                key: key.to_owned(),
                connections: connections.parse()?,
                lasts: Duration::from_millis(millis.parse()?),
                reuse: reuse == "keep",
            };
            println!("{}", load.run()?);
            Ok(())
        }
        ["silent", address, count] => flood::silent(address.parse()?, count.parse()?),
        ["slow", address, count] => flood::slow(address.parse()?, count.parse()?),
        _ => bail!("{USAGE}"),
    }
}

/// On a port of its own, until stdin ends.
fn serve(server: fn(&TcpListener) -> Result<()>) -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    std::thread::spawn(move || {
        if let Err(error) = server(&listener) {
            eprintln!("{error:#}");
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new()).context("stdin")?;
    Ok(())
}
