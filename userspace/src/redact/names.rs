//! Whether a key's name says that its value is a secret: `DB_PASSWORD`, `apiKey`, `X-Auth-Token`, but not
//! `password_file`, `max_tokens` or `PWD=/home`.

/// How much a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// The value is a secret whatever it looks like.
    Strong,
    /// The value is a secret unless it is plainly something else: a number, a path, yes or no.
    Weak,
}

/// A word that ends in one of these names a secret.
const STRONG: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "jwt",
    "webhook",
];
/// With `key` after it, or written as one word with it, it names a secret.
const BEFORE_KEY: [&str; 18] = [
    "api",
    "access",
    "private",
    "secret",
    "signing",
    "encryption",
    "account",
    "master",
    "auth",
    "shared",
    "session",
    "service",
    "license",
    "client",
    "deploy",
    "admin",
    "hmac",
    "aes",
];
/// With `key` after it, it names something public.
const BEFORE_PUBLIC_KEY: [&str; 12] = [
    "public",
    "primary",
    "foreign",
    "sort",
    "partition",
    "cache",
    "row",
    "object",
    "routing",
    "group",
    "protection",
    "idempotency",
];
/// A word that ends in one of these may name a secret.
const WEAK_ENDINGS: [&str; 5] = ["pass", "pwd", "auth", "sessid", "sessionid"];
/// Words that end like that and mean something else.
const NOT_WEAK: [&str; 8] =
    ["bypass", "compass", "encompass", "surpass", "overpass", "underpass", "trespass", "multipass"];
/// Words that may name a secret.
const WEAK: [&str; 16] = [
    "authorization",
    "cred",
    "creds",
    "cookie",
    "cookies",
    "session",
    "signature",
    "bearer",
    "otp",
    "pw",
    "passwords",
    "secrets",
    "tokens",
    "apikeys",
    "passin",
    "passout",
];
/// Last words that say the value is about a secret, not the secret.
const ABOUT: [&str; 52] = [
    "file",
    "path",
    "dir",
    "directory",
    "name",
    "type",
    "length",
    "len",
    "size",
    "ttl",
    "age",
    "expiry",
    "expires",
    "expiration",
    "timeout",
    "count",
    "limit",
    "max",
    "min",
    "policy",
    "method",
    "mode",
    "host",
    "hostname",
    "port",
    "url",
    "uri",
    "endpoint",
    "sock",
    "socket",
    "address",
    "addr",
    "enabled",
    "required",
    "version",
    "algorithm",
    "alg",
    "format",
    "prompt",
    "provider",
    "user",
    "username",
    "class",
    "ref",
    "interval",
    "status",
    "issuer",
    "audience",
    "scope",
    "scopes",
    "desktop",
    "rate",
];

/// What the name of a key says about its value; `None`: nothing.
pub(super) fn strength(key: &str) -> Option<Strength> {
    let words = words(key);
    let last = words.last()?.as_str();
    let webhook = words.iter().any(|word| word == "webhook");
    if ABOUT.contains(&last) && !webhook {
        return None;
    }
    if words.iter().any(|word| is_strong(word)) || words.windows(2).any(is_secret_key) || is_pin(&words) {
        return Some(Strength::Strong);
    }
    let names_key = last == "key" && !is_public_key(&words);
    let weak = names_key || key.eq_ignore_ascii_case("sig") || words.iter().any(|word| is_weak(word));
    weak.then_some(Strength::Weak)
}

/// Whether the name is that of a header whose value has several words.
pub(super) fn is_authorization(key: &str) -> bool {
    words(key).last().is_some_and(|word| word == "authorization")
}

/// As [`is_authorization`], for `Cookie` and `Set-Cookie`.
pub(super) fn is_cookie(key: &str) -> bool {
    words(key).last().is_some_and(|word| word == "cookie" || word == "cookies")
}

fn is_strong(word: &str) -> bool {
    STRONG.iter().any(|strong| word.ends_with(strong))
        || word.strip_suffix("key").is_some_and(|before| BEFORE_KEY.contains(&before))
}

fn is_secret_key(pair: &[String]) -> bool {
    BEFORE_KEY.contains(&pair[0].as_str()) && (pair[1] == "key" || pair[1] == "keys")
}

/// A personal number; not a pin of a chip, or a CPU that something is pinned to.
fn is_pin(words: &[String]) -> bool {
    const OF_PEOPLE: [&str; 6] = ["user", "so", "card", "sim", "login", "unlock"];
    match words {
        [.., last] if last == "pincode" => true,
        [pin] => pin == "pin",
        [.., before, last] => last == "pin" && OF_PEOPLE.contains(&before.as_str()),
        [] => false,
    }
}

fn is_public_key(words: &[String]) -> bool {
    words.len() > 1 && BEFORE_PUBLIC_KEY.contains(&words[words.len() - 2].as_str())
}

fn is_weak(word: &str) -> bool {
    WEAK.contains(&word)
        || (WEAK_ENDINGS.iter().any(|ending| word.ends_with(ending)) && !NOT_WEAK.contains(&word))
}

/// `X-Api-Key`, `db.password1` and `clientSecret` as lower-case words without the digits at their ends.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = key.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = i.checked_sub(1).map(|before| chars[before]);
        let after_lower = before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let ends_capitals = before.is_some_and(|b| b.is_ascii_uppercase())
            && chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_lower || ends_capitals) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
    }
    words
        .into_iter()
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_their_words() {
        use Strength::{Strong, Weak};
        for (want, names) in [
            (
                Some(Strong),
                "password PASSWORD DB_PASSWORD db.password1 passwordHash PGPASSWORD --storepasswd",
            ),
            (Some(Strong), "apiKey API_KEY api-key APIKey X-Api-Key accessKeyId SharedAccessKey AccountKey"),
            (
                Some(Strong),
                "token GITHUB_TOKEN mytoken client_secret SECRET_KEY_BASE privatekey SLACK_WEBHOOK_URL",
            ),
            (
                Some(Weak),
                "auth pass pwd OLDPWD requirepass key AI_DEBUGGER_KEY session_id JSESSIONID cookie sig",
            ),
            (Some(Weak), "max_tokens Authorization credits_auth XDG_SESSION_ID"),
            (
                None,
                "password_file secretName token_url auth_method session_timeout PasswordAuthenticationMethod",
            ),
            (
                None,
                "author authority tokenizer monkey keyboard bypass SigBlk SigQ primary_key public-key passes",
            ),
            (None, "ProtectionKey cpuset task_memcg oom_memcg user host Threads"),
        ] {
            for name in names.split(' ') {
                assert_eq!(strength(name.trim_start_matches('-')), want, "{name}");
            }
        }
    }
}
