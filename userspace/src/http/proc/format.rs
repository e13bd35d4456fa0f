//! The two files that do not go out as the kernel gives them: `status` as JSON, `environ` without its values.

use serde::{Serialize, Serializer};

/// Shown in place of what may be a secret.
const MASK: &[u8] = b"***";
/// No sensible variable has a longer name.
const MAX_NAME: usize = 256;

/// `status` as pairs, in the file's order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status(Vec<(String, String)>);

impl Status {
    /// Lines of `Key:\tvalue`. The kernel escapes line breaks in `Name`, so a process cannot add lines; bytes
    /// that are no UTF-8 become replacement characters, as JSON has no others.
    pub(super) fn parse(file: &[u8]) -> Self {
        let text = String::from_utf8_lossy(file);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            if pairs.iter().all(|(seen, _)| seen != key) {
                pairs.push((key.to_owned(), value.trim().to_owned()));
            }
        }
        Self(pairs)
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// `environ` with the names of the variables and without their values. What does not look like a variable is
/// masked whole: a process may write anything there (setproctitle does).
pub(in crate::http) fn mask_environ(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() / 2);
    for entry in file.split(|b| *b == 0).filter(|it| !it.is_empty()) {
        let name = entry.iter().position(|b| *b == b'=').map(|end| &entry[..end]);
        if let Some(name) = name.filter(|it| is_name(it)) {
            out.extend_from_slice(name);
            out.push(b'=');
        }
        out.extend_from_slice(MASK);
        out.push(0);
    }
    out
}

fn is_name(bytes: &[u8]) -> bool {
    (1..=MAX_NAME).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_keeps_keys_values_and_order() {
        let file =
            b"Name:\ta:b\\nUid:\\t0 \xff\nUmask:\t0022\nUid:\t1000\t1000\t1000\t1000\nUid:\t0\nno colon\n\
                     VmRSS:\t    1204 kB\nGroups:\t \n";
        let json = serde_json::to_string(&Status::parse(file)).unwrap();
        let want = r#"{"Name":"a:b\\nUid:\\t0 �","Umask":"0022","Uid":"1000\t1000\t1000\t1000","VmRSS":"1204 kB","Groups":""}"#;
        assert_eq!(json, want);
        assert_eq!(serde_json::to_string(&Status::parse(b"")).unwrap(), "{}");
    }

    #[test]
    fn environ_shows_names_only() {
        for (given, want) in [
            (
                b"HOME=/root\0API_KEY=gsk_1=2\0EMPTY=\0".as_slice(),
                b"HOME=***\0API_KEY=***\0EMPTY=***\0".as_slice(),
            ),
            (b"CUT=val", b"CUT=***\0"),
            (b"LINES=a\nSECRET=b\0", b"LINES=***\0"),
            (b"nginx: master --password=hunter2\0\0\0", b"***\0"),
            (b"hunter2\0=hunter2\0\xff\xfe=x\0A=\xff\0", b"***\0***\0***\0A=***\0"),
            (b"BASH_FUNC_x%%=() { :; }\0", b"BASH_FUNC_x%%=***\0"),
            (b"", b""),
        ] {
            let masked = mask_environ(given);
            assert_eq!(masked, want, "{}", String::from_utf8_lossy(given));
            assert_eq!(mask_environ(&masked), want, "masking twice is masking once");
        }
    }
}
