//! The services that the tests play, for `cargo xtask oracles`: a model in every mood and Slack, on loopback, until
//! stdin ends. The first line of output is where they are, the second what they were sent.

#![expect(clippy::unwrap_used, reason = "what it runs are the tests' own services, which unwrap")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../src/llm/peer.rs"]
mod scripted;

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/peers.rs"]
mod peers;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use peers::{Mood, Running};

/// Every status that the client tells from others.
const REFUSALS: [u16; 7] = [400, 401, 404, 413, 429, 498, 500];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let (good, garbage) = (peers::model(Mood::Answers).await, peers::model(Mood::Garbage).await);
    // Apart from those that the SDK asks: what this one is sent comes from the product.
    let (asked, slack) = (peers::model(Mood::Answers).await, peers::slack(None).await);
    let scripted = scripted::Peer::new([scripted::completion("{}")]).await;
    let mut refusing = BTreeMap::new();
    for status in REFUSALS {
        refusing.insert(status, peers::model(Mood::Refuses(status)).await);
    }
    let refusals: BTreeMap<String, String> =
        refusing.iter().map(|(status, it)| (status.to_string(), base_url(it))).collect();
    let urls = json!({
        "answers": {"unit tests' model": scripted.url, "integration tests' model": base_url(&good)},
        "models": {"integration tests' model": base_url(&good)},
        "refusals": refusals,
        "garbage": base_url(&garbage),
        "asked": base_url(&asked),
        "slack": format!("http://{}/services/T/B/X", slack.address),
    });
    println!("{urls}");
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await
        .unwrap()
        .unwrap();
    println!("{}", json!({"questions": bodies(&asked), "messages": bodies(&slack)}));
}

fn base_url(model: &Running) -> String {
    format!("http://{}/openai/v1", model.address)
}

/// Everything it was sent.
fn bodies(peer: &Running) -> Vec<Value> {
    peer.mentioning("").into_iter().map(|request| request.body).collect()
}
