//! An incident without its secrets: what an alert may say of it. Masked as a whole and first, because a secret
//! in argv may turn up again in a title, a fact or a command.

use crate::model::{Incident, Maskable as _, Written};
use crate::redact;
use crate::text::printable;

/// Longer texts are cut before they are masked: a message shows far less, and masking takes time for its length.
const TEXT_MAX: usize = 8192;

/// A copy with every text that a process, or a model that read of it, may have written masked.
pub(super) fn redacted(incident: &Incident) -> Incident {
    let mut it = incident.clone();
    let secrets = redact::secrets_in(it.argv());
    it.each_written(&mut |written| match written {
        // Cleaned before, or an invisible character in a key's name would hide its value.
        Written::Text(text) => *text = redact::text_without(&secrets, &printable(bounded(text))),
        Written::Arguments(argv) => {
            let clean: Vec<String> = argv.iter().map(|argument| printable(bounded(argument))).collect();
            *argv = redact::argv(&clean);
        }
        // It holds the index of its files, not their bodies.
        Written::File(_) => {}
    });
    it
}

/// The title of another incident, masked by itself.
pub(super) fn redacted_title(title: &str) -> String {
    redact::text_without(&[], &printable(bounded(title)))
}

/// The beginning of a text, up to the last whole word within the limit: half a secret is still one.
fn bounded(text: &str) -> &str {
    if text.len() <= TEXT_MAX {
        return text;
    }
    let cut = &text[..text.floor_char_boundary(TEXT_MAX)];
    cut.rfind(char::is_whitespace).map_or(cut, |end| &cut[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::sample::incident;
    use crate::model::{Hypothesis, NextStep};
    use crate::store::sample::due_alert;

    #[test]
    fn a_secret_in_argv_is_nowhere_in_the_message() {
        let mut it = incident();
        let secret = "hunter2-the-secret";
        it.process.argv = vec!["db".into(), "--password".into(), secret.into()];
        it.process.exe = Some(format!("/opt/{secret}/db"));
        it.process.cgroup = Some(format!("/app/{secret}"));
        for text in
            [&mut it.title, &mut it.process.name, &mut it.verdict.summary, &mut it.verdict.probable_cause]
        {
            *text = format!("says {secret}");
        }
        it.facts[0].text = format!("token={secret}");
        it.completeness.missing = vec![secret.into()];
        it.verdict.note = Some(secret.into());
        it.verdict.hypotheses = vec![Hypothesis { cause: secret.into(), evidence: vec![] }];
        it.verdict.next_steps = vec![NextStep { why: secret.into(), command: format!("mysql -p{secret}") }];
        for text in [
            serde_json::to_string(&redacted(&it)).unwrap(),
            super::super::message(&due_alert(it.clone()), None).to_string(),
        ] {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("redacted"), "{text}");
        }
    }

    #[test]
    fn a_cut_never_leaves_half_a_word() {
        let long = format!("{} hunter2-the-secret", "é".repeat(TEXT_MAX / 2 - 4));
        assert!(!bounded(&long).contains("hunter2"));
        assert_eq!(bounded("short one"), "short one");
        assert_eq!(bounded(&"x".repeat(TEXT_MAX + 1)).len(), TEXT_MAX);
    }

    #[test]
    fn an_incident_without_secrets_stays_as_it_is() {
        let it = incident();
        assert_eq!(redacted(&it), it);
    }
}
