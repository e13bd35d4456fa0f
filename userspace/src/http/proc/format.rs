//! The file that does not go out as the kernel gives it: `status`, as JSON.

use serde::{Serialize, Serializer};

/// `status` as pairs, in the file's order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Status<'a> {
    /// Lines of `Key:\tvalue`. The kernel escapes line breaks in `Name`, so a process cannot add lines; bytes
    /// that are no UTF-8 have become replacement characters by now, as JSON has no others.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(80);
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            // Asked for each line on each request: most keys differ in what is cheap to look at.
            let alike =
                |seen: &str| seen.len() == key.len() && seen.as_bytes().first() == key.as_bytes().first();
            if pairs.iter().all(|(seen, _)| !alike(seen) || *seen != key) {
                pairs.push((key, value.trim_ascii()));
            }
        }
        Self(pairs)
    }
}

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
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
        let json = serde_json::to_string(&Status::parse(&String::from_utf8_lossy(file))).unwrap();
        let want = r#"{"Name":"a:b\\nUid:\\t0 �","Umask":"0022","Uid":"1000\t1000\t1000\t1000","VmRSS":"1204 kB","Groups":""}"#;
        assert_eq!(json, want);
        assert_eq!(serde_json::to_string(&Status::parse("")).unwrap(), "{}");
    }
}
