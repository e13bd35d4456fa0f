//! From text to typed values, each with its bounds. Pure; what is refused says what would be taken.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;

use super::problem::{Rejected, quoted};
use crate::model::Severity;

/// Longest DNS name (RFC 1035, section 2.3.4).
const HOST_NAME_MAX: usize = 253;

/// The value, or why it is none.
pub(super) type Parsed<T> = Result<T, Rejected>;

pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err(Rejected::value(text, "is not a path", "give a path, such as /var/lib/ai-debugger"));
    }
    Ok(PathBuf::from(text))
}

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Rejected::value(text, "is neither true nor false", "give true or false")),
    }
}

pub(super) fn duration(min: &'static str, max: &'static str) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let accepted = format!("give a time from {min} to {max}, such as 10s or 1m30s");
        let bound =
            |text: &str| text.parse::<SignedDuration>().expect("the bounds in this program are times");
        let what = match text.parse::<SignedDuration>() {
            Ok(time) if time < bound(min) => "is too short",
            Ok(time) if time > bound(max) => "is too long",
            Ok(time) => return Ok(time.unsigned_abs()),
            Err(_) => "is not a time with a unit",
        };
        Err(Rejected::value(text, what, accepted))
    }
}

pub(super) fn count(min: u32, max: u32) -> impl Fn(&str) -> Parsed<u32> {
    move |text| {
        let what = match u32::from_str(text) {
            Ok(n) if (min..=max).contains(&n) => return Ok(n),
            Ok(_) => "is out of range",
            Err(_) => "is not a whole number in range",
        };
        Err(Rejected::value(text, what, format!("give a whole number from {min} to {max}")))
    }
}

pub(super) fn severity(text: &str) -> Parsed<Severity> {
    let wrong = |_| Rejected::value(text, "is not a severity", "give info, warning or critical");
    text.parse().map_err(wrong)
}

pub(super) fn model_name(text: &str) -> Parsed<String> {
    if text.is_empty() || text.len() > 128 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        let accepted = "give a model's name as its API lists it, such as openai/gpt-oss-120b";
        return Err(Rejected::value(text, "is not a model's name", accepted));
    }
    Ok(text.to_owned())
}

/// Dollars, to billionths of one.
pub(super) fn nano_usd(text: &str) -> Parsed<u64> {
    let accepted = "give an amount in dollars without a currency sign, such as 1 or 0.25";
    nano(text, 1e9).ok_or_else(|| Rejected::value(text, "is not an amount in dollars", accepted))
}

/// A number, in billionths of a unit.
pub(super) fn nano(text: &str, unit: f64) -> Option<u64> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = text.parse::<f64>().ok().filter(|number| plain && *number <= 1e6)?;
    // Up to a million times a billion: exact enough, and in range.
    format!("{:.0}", number * unit).parse().ok()
}

/// Host names: lower case, without port.
pub(super) fn host_name(text: &str) -> Parsed<String> {
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    if name.len() > HOST_NAME_MAX || !name.split('.').all(label_ok) {
        let accepted = "give a plain name without scheme and port, such as debug.example.org";
        return Err(Rejected::value(text, "is not a host name", accepted));
    }
    Ok(name)
}

/// An API's base: no slash at the end, nothing secret in it.
pub(crate) fn base_url(text: &str) -> Parsed<String> {
    let accepted =
        "give an http or https URL without user, query and fragment, such as https://api.groq.com/openai/v1";
    // Whatever has an @ in it may be a password: it is not repeated.
    let shown = if text.contains('@') { "the value".to_owned() } else { quoted(text) };
    let url = Url::parse(text).map_err(|_| Rejected::new(format!("{shown} is not a URL"), accepted))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !plain {
        return Err(Rejected::new(format!("{shown} cannot be an API's base URL"), accepted));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Slack's webhook: a secret, so it is never repeated. Plain http is for receivers on this host only.
pub(super) fn webhook(text: &str) -> Parsed<()> {
    let accepted = "give the URL Slack shows for the incoming webhook, https://hooks.slack.com/services/…";
    let url = Url::parse(text).map_err(|_| Rejected::new("the value is not a URL", accepted))?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_this_host(&url) => Ok(()),
        _ => Err(Rejected::new("the value is not an https URL", accepted)),
    }
}

/// A webhook of anybody's: a secret as well. Inside a cluster they speak plain http.
pub(super) fn secret_url(text: &str) -> Parsed<()> {
    let accepted = "give an http or https URL";
    let url = Url::parse(text).map_err(|_| Rejected::new("the value is not a URL", accepted))?;
    let web = matches!(url.scheme(), "https" | "http") && url.has_host();
    if web { Ok(()) } else { Err(Rejected::new("the value is not a web address", accepted)) }
}

/// The token of a Slack app's bot; never repeated.
pub(super) fn bot_token(text: &str) -> Parsed<()> {
    let shape = text.starts_with("xoxb-") && text.bytes().all(|byte| byte.is_ascii_graphic());
    let accepted = "give the bot token of a Slack app, xoxb-…";
    if shape { Ok(()) } else { Err(Rejected::new("the value is not a bot token", accepted)) }
}

/// A channel's id, or its name with or without `#`.
pub(super) fn slack_channel(text: &str) -> Parsed<String> {
    let name = text.trim();
    let plain = !name.is_empty() && name.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let accepted = "give the channel's id, such as C0123456789, or its name, such as #alerts";
    if plain { Ok(name.to_owned()) } else { Err(Rejected::value(text, "is not a channel", accepted)) }
}

/// Whether a URL stays on this host.
pub(crate) fn is_this_host(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Both sides of a parser's border, and that it says what it would take.
#[cfg(test)]
pub(super) fn check<T: std::fmt::Debug + PartialEq>(
    parse: impl Fn(&str) -> Parsed<T>,
    good: &[(&str, T)],
    bad: &[&str],
) {
    for (text, want) in good {
        assert_eq!(parse(text).as_ref(), Ok(want), "{text}");
    }
    for text in bad {
        let refused = parse(text).expect_err(text);
        assert!(refused.accepted.starts_with("give "), "{refused:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit_and_stay_in_bounds() {
        let secs = Duration::from_secs;
        check(
            duration("1s", "1h"),
            &[
                ("10s", secs(10)),
                ("1m30s", secs(90)),
                ("1h", secs(3600)),
                ("1500ms", Duration::from_millis(1500)),
            ],
            &["10", "", "0s", "999ms", "1h1s", "-10s", "ten", "10s ago", "99999999999999999999s", "1d"],
        );
    }

    #[test]
    fn counts_switches_and_severities() {
        check(count(1, 100), &[("1", 1), ("100", 100)], &["0", "101", "-1", "1.5", "", "9999999999"]);
        check(severity, &[("critical", Severity::Critical)], &["Critical", "fatal", ""]);
        check(switch, &[("1", true), ("TRUE", true), ("off", false), ("no", false)], &["", "2", "maybe"]);
    }

    #[test]
    fn money() {
        check(
            nano_usd,
            &[("1", 1_000_000_000), ("0.25", 250_000_000), ("0", 0), ("1000000", 1_000_000_000_000_000)],
            &["", "-1", "1e3", "NaN", "inf", "$1", "1000001", "1.2.3", "."],
        );
    }

    #[test]
    fn hosts_and_urls() {
        check(
            host_name,
            &[("Debug.Example.org.", "debug.example.org".to_owned())],
            &["http://a", "a:80", "a b", "", "a..b", "-\x1b"],
        );
        check(
            base_url,
            &[("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1".to_owned())],
            &["ftp://a", "api.groq.com", "https://u:pw@a/", "https://a/?k=v", "https://a/#f", ""],
        );
        check(
            webhook,
            &[
                ("https://hooks.slack.com/services/T/B/x", ()),
                ("http://[::1]:9/", ()),
                ("http://localhost:9/", ()),
            ],
            &["http://hooks.slack.com/services/T/B/x", "hooks.slack.com", ""],
        );
    }

    #[test]
    fn passwords_in_urls_are_not_repeated() {
        for text in ["https://user:hunter2@host/v1", "https//user:hunter2@host/v1"] {
            assert!(!format!("{:?}", base_url(text)).contains("hunter2"));
        }
        assert!(!format!("{:?}", webhook("http://hooks.slack.com/hunter2")).contains("hunter2"));
    }
}
