//! For the fuzzer: a request, as its target on the first line, its header lines, an empty line and its body.

use axum::http::Request;

use super::auth::{self, Credential};
use super::authority::Names;
use super::params::{Params, pairs};
use super::{analyze, proc};
use crate::model::ProcessKey;

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    let end = bytes.windows(2).position(|it| it == b"\n\n");
    let (head, body) = end.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + 2..]));
    analyze::fuzz(body);
    proc::fuzz(body);
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let text = String::from_utf8_lossy(target);
    drop(text.parse::<ProcessKey>());
    proc::fuzz_path(&text);
    let mut request = Request::builder().uri(target);
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        request = request.header(&line[..at], line[at + 1..].trim_ascii());
    }
    // What is no request at all is refused by hyper.
    let Ok(request) = request.body(()) else { return };
    let (parts, ()) = request.into_parts();
    drop(Names::new("machine", ["allowed.example"]).check(&parts));
    for tls in [false, true] {
        drop(Credential::of(&parts, tls));
    }
    let shown = auth::without_key(&parts.uri);
    let query = shown.split_once('?').map_or("", |(_, query)| query);
    assert!(pairs(query).iter().all(|(name, _)| name != "key"), "{} gave {shown}", parts.uri);
    auth::same_origin(&parts.headers);
    let params = Params::new(parts.uri.query().unwrap_or_default());
    for name in ["limit", "q", "since"] {
        drop(params.count(name, 1000));
        let _ = params.text(name);
    }
}
