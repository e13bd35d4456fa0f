//! The models that the tests play, for `cargo xtask oracles`: in every mood, on loopback, until stdin ends. Prints where
//! they are.

#![expect(clippy::unwrap_used, reason = "what it runs are the tests' own services, which unwrap")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../src/llm/peer.rs"]
mod scripted;

/// What the peers take of the tests' daemon.
mod daemon {
    pub(crate) const SOON: std::time::Duration = std::time::Duration::from_secs(60);
}

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/peers.rs"]
mod peers;

use std::collections::BTreeMap;

use serde_json::json;

use peers::{Mood, Running};

/// Every status that the client tells from others.
const REFUSALS: [u16; 7] = [400, 401, 404, 413, 429, 498, 500];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let (good, garbage) = (peers::model(Mood::Answers, "").await, peers::model(Mood::Garbage, "").await);
    let scripted = scripted::Peer::new([scripted::completion("{}")]).await;
    let mut refusing = BTreeMap::new();
    for status in REFUSALS {
        refusing.insert(status, peers::model(Mood::Refuses(status), "").await);
    }
    let refusals: BTreeMap<String, String> =
        refusing.iter().map(|(status, it)| (status.to_string(), base_url(it))).collect();
    let urls = json!({
        "answers": {"unit tests' model": scripted.url, "integration tests' model": base_url(&good)},
        "models": {"integration tests' model": base_url(&good)},
        "refusals": refusals,
        "garbage": base_url(&garbage),
    });
    println!("{urls}");
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await
        .unwrap()
        .unwrap();
}

fn base_url(model: &Running) -> String {
    format!("http://{}/openai/v1", model.address)
}
