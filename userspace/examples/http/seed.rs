//! A stand-in for the seed: a thread for each connection, HTTP/1.0, and the connection closed after each answer; every
//! answer read from /proc anew.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

pub(crate) fn serve(listener: &TcpListener) -> Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = answer(&stream) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn answer(mut stream: &TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).context("a request line")?.to_owned();
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let body = match path.as_str() {
        "/proc" => json!({ "pids": pids()?.iter().map(u32::to_string).collect::<Vec<_>>() }),
        "/proc/1/status" => status(1).map(Value::Object)?,
        "/" => {
            // One that ends in between is left out.
            let processes: Vec<_> = pids()?.iter().filter_map(|pid| process(*pid).ok()).collect();
            json!({ "processes": processes })
        }
        _ => json!({ "error": "not found" }),
    };
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    Ok(())
}

fn pids() -> Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<_> = names.collect::<Result<_>>()?;
    Ok(names.iter().filter_map(|it| it.to_str()?.parse().ok()).collect())
}

fn status(pid: u32) -> Result<Map<String, Value>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().into())).collect())
}

fn process(pid: u32) -> Result<Value> {
    let status = status(pid)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("a name")?.1;
    let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|it| it.parse::<u64>().ok());
    let cpu = ticks(11).context("utime")? + ticks(12).context("stime")?;
    let memory = status.get("VmRSS").and_then(|it| it.as_str()?.split(' ').next()?.parse::<u64>().ok());
    Ok(json!({ "pid": pid, "name": status.get("Name"), "cpu": cpu, "mem_kb": memory.unwrap_or(0) }))
}
