//! How a capture travels to the process that unwinds it: bytes in hex, for names need not be text.

use std::ffi::OsString;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) mod bytes {
    use super::{Deserialize as _, Deserializer, Error, HEXLOWER, Serializer};

    pub(in crate::stack) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(in crate::stack) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        HEXLOWER.decode(String::deserialize(from)?.as_bytes()).map_err(D::Error::custom)
    }
}

pub(super) mod path {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    use super::{
        Deserialize as _, Deserializer, Error, HEXLOWER, OsString, PathBuf, Serialize as _, Serializer,
    };

    pub(in crate::stack) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref().map(|it| HEXLOWER.encode(it.as_os_str().as_bytes())).serialize(to)
    }

    pub(in crate::stack) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let text: Option<String> = Option::deserialize(from)?;
        let bytes = text.map(|it| HEXLOWER.decode(it.as_bytes())).transpose().map_err(D::Error::custom)?;
        Ok(bytes.map(|it| PathBuf::from(OsString::from_vec(it))))
    }
}
