//! For the fuzzer: whatever a receiver, or a proxy in its place, answers. The first byte chooses the status.

use std::time::Duration;

use reqwest::StatusCode;

use super::post::{PostReply, PostResult};
use super::{alertmanager, bot, slack, webhook};

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let statuses = [200, 201, 204, 302, 400, 403, 404, 410, 429, 500, 503];
    let status =
        StatusCode::from_u16(statuses[usize::from(*choice) % statuses.len()]).expect("they are statuses");
    let reply = PostReply {
        status,
        retry_after: (choice % 2 == 0).then_some(Duration::from_secs(1)),
        html: choice & 0x80 != 0,
        body: String::from_utf8_lossy(body).into_owned(),
    };
    let bot = bot::judge("chat.postMessage", &reply)
        .map_or_else(|answer| answer, |_| PostResult::Delivered { receipt: None });
    for result in [slack::judge(&reply), alertmanager::judge(&reply), webhook::judge(&reply), bot] {
        match result {
            PostResult::Delivered { .. } => assert!(status.is_success(), "{reply:?}"),
            PostResult::Later { error, .. } | PostResult::Refused { error, .. } => {
                assert!(!error.is_empty() && !error.contains(char::is_control), "{error:?}");
            }
        }
    }
}
