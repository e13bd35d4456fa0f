//! The file that does not go out as the kernel gives it: `status`, as JSON.

use serde::{Serialize, Serializer};

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
}
