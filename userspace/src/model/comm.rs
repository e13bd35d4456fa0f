//! A `comm`, kept in place: each kernel event has two, and an allocation for each cost more than to judge the event.

use std::fmt;
use std::ops::Deref;

/// TASK_COMM_LEN: what the kernel has of a task's name, its final NUL included.
const LEN: usize = 16;

/// The name of a task as the bytes it is, without trailing NULs.
#[derive(Clone)]
pub enum Comm {
    /// NUL-padded.
    Short([u8; LEN]),
    /// A kernel thread's in /proc may be longer (kernel fs/proc/array.c, `proc_task_name`).
    Long(Box<[u8]>),
}

impl Deref for Comm {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(padded) => {
                let len = padded.iter().position(|byte| *byte == 0).unwrap_or(LEN);
                &padded[..len]
            }
            Self::Long(bytes) => bytes,
        }
    }
}

impl Default for Comm {
    fn default() -> Self {
        Self::Short([0; LEN])
    }
}

/// As the kernel has it; what is behind a NUL is not looked at.
impl From<[u8; LEN]> for Comm {
    fn from(padded: [u8; LEN]) -> Self {
        Self::Short(padded)
    }
}

impl From<&[u8]> for Comm {
    fn from(bytes: &[u8]) -> Self {
        let mut padded = [0; LEN];
        match padded.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self::Short(padded)
            }
            None => Self::Long(bytes.into()),
        }
    }
}

impl PartialEq for Comm {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Comm {}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_however_they_are_kept() {
        for name in
            [&b""[..], b"a\xff c", b"kworker/0:1-evt", b"sixteen bytes 16", b"kworker/u16:3-events_unbound"]
        {
            assert_eq!(&*Comm::from(name), name);
        }
        assert_eq!(Comm::from(*b"sh\0rest of older"), Comm::from(&b"sh"[..]));
        assert_ne!(Comm::from(&b"sh"[..]), Comm::from(&b"shh"[..]));
        assert_eq!(&*Comm::default(), b"");
    }
}
