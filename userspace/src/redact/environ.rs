//! A process's environment: the names of the variables, and none of their values.

/// Shown in place of a variable's value.
const VALUE_MASK: &[u8] = b"***";
/// No sensible variable has a longer name.
const MAX_VARIABLE_BYTES: usize = 256;

/// A process's environment as /proc gives it, with the names of the variables and without their values. What does
/// not look like a variable is masked whole: a process may write anything there (setproctitle does). Bytes, as names
/// need not be UTF-8, and without lengths: of a short value they would say too much.
pub fn environ(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 2);
    for entry in raw.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let name = entry.iter().position(|byte| *byte == b'=').map(|end| &entry[..end]);
        if let Some(name) = name.filter(|name| is_variable(name)) {
            out.extend_from_slice(name);
            out.push(b'=');
        }
        out.extend_from_slice(VALUE_MASK);
        out.push(0);
    }
    out
}

fn is_variable(name: &[u8]) -> bool {
    (1..=MAX_VARIABLE_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}
