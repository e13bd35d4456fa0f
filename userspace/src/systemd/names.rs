//! Pure: the names of units, and their objects' paths, which write what a path may not hold as `_2e`
//! (systemd src/libsystemd/sd-bus/bus-label.c).

/// Where the units' objects are.
const UNITS: &str = "/org/freedesktop/systemd1/unit/";
/// Longest name of a unit (systemd src/basic/unit-def.h, `UNIT_NAME_MAX`).
const NAME_MAX: usize = 255;

/// The service that an object stands for; `None` for units of other kinds.
pub(super) fn of_path(path: &str) -> Option<String> {
    let label = path.strip_prefix(UNITS)?;
    // Each escape takes three bytes for one.
    if label.len() > NAME_MAX * 3 {
        return None;
    }
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'_') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    is_service(&name).then_some(name)
}

/// Whether it is a service's name, of the characters that systemd.unit(5) allows.
pub(super) fn is_service(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    name.len() <= NAME_MAX
        && name.strip_suffix(".service").is_some_and(|stem| !stem.is_empty())
        && name.chars().all(valid)
}

/// The path of a unit's object.
pub(super) fn path_of(name: &str) -> String {
    let mut path = UNITS.to_owned();
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_are_each_others() {
        for (name, path) in [
            ("app.service", "app_2eservice"),
            ("postgresql@15-main.service", "postgresql_4015_2dmain_2eservice"),
            ("my\\x2dapp.service", "my_5cx2dapp_2eservice"),
            ("7z.service", "_37z_2eservice"),
        ] {
            let path = format!("{UNITS}{path}");
            assert_eq!(of_path(&path).as_deref(), Some(name));
            assert_eq!(path_of(name), path);
        }
    }

    #[test]
    fn what_is_no_service_is_not_followed() {
        for path in [
            "/org/freedesktop/systemd1/unit/tmp_2emount",
            "/org/freedesktop/systemd1/unit/_2eservice",
            "/org/freedesktop/systemd1/unit/a_00b_2eservice",
            "/org/freedesktop/systemd1/unit/_ff_2eservice",
            "/org/freedesktop/systemd1/unit/a_20b_2eservice",
            "/org/freedesktop/systemd1/unit/_",
            "/org/freedesktop/systemd1/job/7",
            "/elsewhere/app_2eservice",
        ] {
            assert_eq!(of_path(path), None, "{path}");
        }
        let long = format!("{UNITS}{}_2eservice", "a".repeat(NAME_MAX));
        assert_eq!(of_path(&long), None);
    }
}
