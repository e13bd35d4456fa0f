//! Properties: whatever surrounds a planted secret, no byte of it comes out; and what only looks like one stays.
//! The texts are made by a generator with a fixed seed, so a failure comes back.

use super::*;
use crate::redact::search::MIN_KNOWN_CHARS;

/// A small generator (xorshift64*): the tests are to be the same everywhere.
pub(in crate::redact) struct Dice(u64);

impl Dice {
    pub(in crate::redact) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    pub(in crate::redact) fn word(&mut self, alphabet: &str, chars: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..chars).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// What passwords are made of beside letters; no character that ends a word, which only quotes keep together.
const MARKS: &str = "!#$%*+-./=@^_~";

/// Text as it stands around secrets in command lines, logs and files.
const AROUND: [&str; 24] = [
    "",
    " ",
    "\n",
    "\t",
    " -v ",
    " --port 80 ",
    "\0",
    "; ",
    " && ",
    " | ",
    "(",
    ") ",
    "é ",
    "日本 ",
    "=",
    ": ",
    " \u{1f525} ",
    "2026-11-22T12:27:59Z ",
    "[info] ",
    " https://h/x ",
    "<a> ",
    "x=y ",
    " {\"a\": 1} ",
    " key: value ",
];

/// The secret, and a text that says what it is.
fn plant(dice: &mut Dice) -> (String, String) {
    let length = 8 + dice.below(24);
    let letters = dice.word(LETTERS, length);
    let typed = {
        let mark = dice.word(MARKS, 1);
        // Begun by a letter: a path or another option is none.
        format!("p{}{mark}{}9z", dice.word(LETTERS, 4), dice.word(LETTERS, 4))
    };
    let name = dice.pick(&[
        "password",
        "DB_PASSWORD",
        "apiKey",
        "X-Auth-Token",
        "client_secret",
        "PGPASSWORD",
        "secretAccessKey",
        "slack_webhook",
        "spring.datasource.password",
        "MYSQL_PWD_SECRET",
        "refresh_token",
    ]);
    match dice.below(14) {
        0 => (typed.clone(), format!("{name}={typed}")),
        1 => (typed.clone(), format!("{name}: {typed}")),
        2 => (typed.clone(), format!("\"{name}\": \"{typed} and {typed}\"")),
        3 => (typed.clone(), format!("--{name}={typed}")),
        4 => (typed.clone(), format!("'{name}' => '{typed}'")),
        5 => (letters.clone(), format!("<{name}>{letters}</{name}>")),
        6 => (letters.clone(), format!("https://bob:{letters}@db.example:5432/x")),
        7 => (letters.clone(), format!("gsk_{letters}")),
        8 => (letters.clone(), format!("Authorization: Bearer {letters}")),
        9 => (letters.clone(), format!("xoxb-12-{letters}")),
        10 => (letters.clone(), format!("eyJhbGciOi{letters}.{letters}.{letters}")),
        11 => (
            letters.clone(),
            format!("-----BEGIN RSA PRIVATE KEY-----\n{letters}\n{letters}\n-----END RSA PRIVATE KEY-----"),
        ),
        12 => (letters.clone(), format!("https://hooks.slack.com/services/T0/B0/{letters}")),
        _ => (letters.clone(), format!("?token={letters}&page=2")),
    }
}

#[test]
fn no_planted_secret_survives_whatever_surrounds_it() {
    let mut dice = Dice::new(0x5eed);
    for round in 0..600 {
        let (secret, text_with) = plant(&mut dice);
        let before: String = (0..dice.below(4)).map(|_| dice.pick(&AROUND)).collect();
        let after: String = (0..dice.below(4)).map(|_| dice.pick(&AROUND)).collect();
        // A separator of words on each side: what runs into a name is another name.
        let (open, close) = (dice.pick(&[" ", "\n", "\"", "(", ""]), dice.pick(&[" ", "\n", "\"", "\0", ""]));
        let (before, open) = if open.is_empty() { (String::new(), "") } else { (before, open) };
        let (after, close) = if close.is_empty() { (String::new(), "") } else { (after, close) };
        let given = format!("{before}{open}{text_with}{close}{after}");
        let got = text(&given);
        assert!(!got.contains(&secret), "round {round}: {secret:?} in {got:?}, given {given:?}");
        assert!(got.contains("[redacted "), "round {round}: {got:?}");
        assert_eq!(text(&got), got, "round {round}: applied twice to {given:?}");
    }
}

#[test]
fn no_planted_argument_survives_in_any_text_about_its_process() {
    let mut dice = Dice::new(0xa49);
    for round in 0..400 {
        let length = 6 + dice.below(20);
        let secret = dice.word(&format!("{LETTERS}{MARKS}"), length);
        let secret = format!("q{secret}7");
        let flag = dice.pick(&["--password", "--token", "--api-key", "-storepass", "--client-secret"]);
        let argv: Vec<String> = match dice.below(4) {
            0 => vec!["app".into(), flag.into(), secret.clone(), "--port".into(), "80".into()],
            1 => vec!["app".into(), format!("{flag}={secret}")],
            2 => vec!["mysql".into(), "-uroot".into(), format!("-p{secret}")],
            _ => vec!["env".into(), format!("DB_PASSWORD={secret}"), "app".into()],
        };
        let mut censor = Censor::new(&argv);
        let line = format!("{}{secret}{}", dice.pick(&AROUND), dice.pick(&AROUND));
        let cut =
            crate::text::truncate(&format!("ran as {secret}"), 7 + secret.chars().count() - dice.below(3));
        let all = format!("{:?} {:?} {:?}", censor.argv(&argv), censor.text(&line), censor.text(&cut));
        let beginning: String = secret.chars().take(MIN_KNOWN_CHARS).collect();
        assert!(!all.contains(&beginning), "round {round}: {all} for {argv:?}");
        assert!(censor.tally().values().sum::<u64>() >= 2, "round {round}: {:?}", censor.tally());
    }
}

#[test]
fn what_only_looks_random_stays_readable() {
    let mut dice = Dice::new(0x900d);
    let hex = "0123456789abcdef";
    for round in 0..60 {
        let (id, revision, build) = (dice.word(hex, 64), dice.word(hex, 40), dice.word(hex, 32));
        let short = dice.word(hex, 12);
        let pod = format!("{}-{}", dice.word(hex, 10), dice.word("bcdfghjklmnpqrstvwxz2456789", 5));
        let uuid = [8, 4, 4, 4, 12].map(|chars| dice.word(hex, chars)).join("-");
        let (port, rss) = (dice.below(65_536), dice.below(1 << 30));
        for plain in [
            format!("/system.slice/docker-{id}.scope"),
            format!("/kubepods/burstable/pod{uuid}/{id}"),
            format!("/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{id}.scope", uuid.replace('-', "_")),
            format!("containerd-shim -namespace moby -id {id} -address /run/containerd/containerd.sock"),
            format!("nginx@sha256:{id} image=registry.example:5000/team/app:1.2.3@sha256:{id}"),
            format!("commit={revision} rev {revision} HEAD {short} build-id: {revision} uuid={uuid}"),
            format!("/lib/debug/.build-id/{}/{}.debug", &revision[..2], &revision[2..]),
            format!(
                "/nix/store/{}-openssl-3.0.1/lib/libssl.so.3",
                dice.word("0123456789abcdfghijklmnpqrsvwxyz", 32)
            ),
            format!("my-app-{pod} md5={build} trace_id={build} request_id: {uuid}"),
            format!("java -Xmx{rss} -jar /opt/app-{short}.jar --server.port={port} -Dpid={port}"),
            format!("{}-{} r-xp 00000000 fe:01 {port} /usr/lib/libc.so.6", &id[..12], &id[12..24]),
            format!("python3 -m http.server {port} --bind 127.0.0.1 --directory /srv/{uuid}"),
        ] {
            assert_eq!(text(&plain), plain, "round {round}");
            let words: Vec<String> = plain.split(' ').map(str::to_owned).collect();
            assert_eq!(argv(&words), words, "round {round}");
        }
    }
}

#[test]
fn lengths_and_names_are_kept() {
    let mut dice = Dice::new(7);
    for chars in 1..60 {
        let secret = format!("x{}", dice.word(LETTERS, chars));
        let got = text(&format!("db.password={secret} user=bob"));
        assert_eq!(got, format!("db.password=[redacted {} chars] user=bob", chars + 1));
    }
}
