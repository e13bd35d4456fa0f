//! The reply's envelope: bounded reading, and the one message in it.

use serde::Deserialize;

use super::failure::Failure;
use super::usage::Usage;

/// A verdict is a few kilobytes, reasoning included.
pub(crate) const MAX_REPLY_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Bill {
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Choice {
    message: ReplyMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct ReplyMessage {
    content: Option<String>,
    refusal: Option<String>,
}

/// The body, as long as it is no longer than `max_bytes`.
pub(super) async fn read(mut response: reqwest::Response, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::from)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What it cost; `None` where the service does not say. Also of an answer that is no use.
pub(super) fn usage(body: &[u8]) -> Option<Usage> {
    let Tokens { prompt_tokens, completion_tokens, prompt_tokens_details } =
        serde_json::from_slice::<Bill>(body).ok()?.usage?;
    let cached = prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0);
    Some(Usage { prompt: prompt_tokens, completion: completion_tokens, cached: cached.min(prompt_tokens) })
}

/// What the model wrote.
pub(super) fn content(body: &[u8]) -> Result<String, Failure> {
    let not_chat = Failure::Invalid("is not a chat completion");
    let completion: Completion = serde_json::from_slice(body).map_err(|_| not_chat.clone())?;
    let choice = completion.choices.into_iter().next().ok_or(not_chat)?;
    if choice.finish_reason.as_deref() == Some("length") {
        return Err(Failure::Invalid("was cut at the token limit"));
    }
    if choice.message.refusal.is_some_and(|refusal| !refusal.is_empty()) {
        return Err(Failure::Refused);
    }
    let content = choice.message.content.filter(|content| !content.trim().is_empty());
    content.ok_or(Failure::Invalid("is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_is_read_where_there_is_one() {
        let usage = |prompt, completion, cached| Some(Usage { prompt, completion, cached });
        for (body, want) in [
            (r#"{"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#, usage(7, 2, 0)),
            (
                r#"{"usage":{"prompt_tokens":7,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":5}}}"#,
                usage(7, 2, 5),
            ),
            (
                r#"{"usage":{"prompt_tokens":7,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":99}}}"#,
                usage(7, 2, 7),
            ),
            (r#"{"usage":{"prompt_tokens":-1,"completion_tokens":2}}"#, None),
            (r#"{"usage":null}"#, None),
            ("{}", None),
            ("busy", None),
        ] {
            assert_eq!(super::usage(body.as_bytes()), want, "{body}");
        }
    }

    #[test]
    fn envelopes_are_opened_or_named_wrong() {
        let no_chat = Err(Failure::Invalid("is not a chat completion"));
        for (body, want) in [
            (r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#, Ok("x".to_owned())),
            (r#"{"choices":[{"message":{"content":"x"}}]}"#, Ok("x".to_owned())),
            (
                r#"{"choices":[{"message":{"content":"x"},"finish_reason":"length"}]}"#,
                Err(Failure::Invalid("was cut at the token limit")),
            ),
            (r#"{"choices":[{"message":{"content":null,"refusal":"no"}}]}"#, Err(Failure::Refused)),
            (r#"{"choices":[{"message":{"content":null}}]}"#, Err(Failure::Invalid("is empty"))),
            (r#"{"choices":[{"message":{"content":" \n"}}]}"#, Err(Failure::Invalid("is empty"))),
            (r#"{"choices":[]}"#, no_chat.clone()),
            (r#"{"choices":[{"message":{"content":7}}]}"#, no_chat.clone()),
            ("[]", no_chat.clone()),
            ("", no_chat.clone()),
            ("<html>busy</html>", no_chat),
        ] {
            assert_eq!(content(body.as_bytes()), want, "{body}");
        }
    }
}
