//! A reader of BTF (kernel Documentation/bpf/btf.rst) that copies nothing: the daemon looks up a few dozen of
//! a hundred thousand types, once. A full parse leaves tens of megabytes of holes in the heap for good.

use anyhow::{Context as _, Result, ensure};

const MAGIC: u16 = 0xeb9f;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FORWARD: u32 = 7;
const TYPEDEF: u32 = 8;
const FUNC_PROTO: u32 = 13;
const ENUM64: u32 = 19;
const PTR: u32 = 2;
/// TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG: another name for the type they refer to.
const ALIASES: [u32; 5] = [TYPEDEF, 9, 10, 11, 18];
/// Bytes of a type before what depends on its kind.
const TYPE_LEN: usize = 12;
/// Deepest nesting that is followed: BTF from the kernel has no cycles, but that is not relied on.
const DEPTH: u32 = 32;

/// The types of a kernel.
#[derive(Debug)]
pub(super) struct Types {
    bytes: Vec<u8>,
    /// Where each type begins; type 0 is void and has no place.
    places: Vec<usize>,
    strings: usize,
}

/// One type's fixed part.
#[derive(Clone, Copy)]
struct Type {
    place: usize,
    kind: u32,
    /// How many members, values or parameters follow.
    count: usize,
    /// Members' offsets have the size of a bit field in their upper byte.
    bit_fields: bool,
    size_or_type: u32,
}

impl Types {
    /// Finds where each type begins.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self> {
        let word = |at: usize| word(&bytes, at).context("it is cut short");
        ensure!(bytes.get(..2) == Some(&MAGIC.to_ne_bytes()), "it does not begin as BTF does");
        let sum =
            |parts: [u32; 2]| parts.into_iter().try_fold(0, u32::checked_add).context("too large a header");
        let header = word(4)?;
        let first = sum([header, word(8)?])? as usize;
        let end = first.checked_add(word(12)? as usize).context("too large a header")?;
        let strings = sum([header, word(16)?])? as usize;
        ensure!(bytes.len() >= end && bytes.len() >= strings, "it is cut short");
        let mut it = Self { bytes, places: vec![0], strings };
        let mut place = first;
        while place < end {
            it.places.push(place);
            place += TYPE_LEN + it.at(place).and_then(Type::rest).context("a type of unknown kind")?;
        }
        Ok(it)
    }

    /// Byte offset of a member such as `a.b[1].c`, through anonymous members; `None` where there is none or it
    /// is a bit field.
    pub(super) fn offset(&self, of: &str, path: &str) -> Option<u32> {
        let (mut id, mut bits) = (self.id(of, &[STRUCT, UNION])?, 0_u32);
        for step in path.split('.') {
            let (name, index) = match step.split_once('[') {
                Some((name, index)) => (name, Some(index.strip_suffix(']')?.parse::<u32>().ok()?)),
                None => (step, None),
            };
            let (offset, member) = self.member(id, name, DEPTH)?;
            (id, bits) = (member, bits.checked_add(offset)?);
            if let Some(index) = index {
                id = self.element(id)?;
                bits = bits.checked_add(self.size_of(id, DEPTH)?.checked_mul(8)?.checked_mul(index)?)?;
            }
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Size of a struct or union in bytes.
    pub(super) fn size(&self, of: &str) -> Option<u32> {
        self.size_of(self.id(of, &[STRUCT, UNION])?, DEPTH)
    }

    /// The value of an enumerator.
    pub(super) fn enumerator(&self, of: &str, name: &str) -> Option<u64> {
        let values = self.get(self.id(of, &[ENUM, ENUM64])?)?;
        let width = if values.kind == ENUM { 8 } else { 12 };
        let mut places = (0..values.count).map(|n| values.place + TYPE_LEN + n * width);
        let place = places.find(|place| self.name_is(*place, name))?;
        let high = if values.kind == ENUM { 0 } else { word(&self.bytes, place + 8)? };
        Some(u64::from(high) << 32 | u64::from(word(&self.bytes, place + 4)?))
    }

    /// Whether there is a `typedef` of this name, to a pointer to a function; and whether that function's
    /// parameter at `index` is a pointer, too.
    pub(super) fn callback(&self, name: &str, index: usize) -> Option<bool> {
        let pointer = self.get(self.id(name, &[TYPEDEF])?)?.size_or_type;
        let function = self.get(self.get(pointer).filter(|it| it.kind == PTR)?.size_or_type)?;
        let parameters = (function.kind == FUNC_PROTO).then_some(function.count)?;
        let parameter = (index < parameters)
            .then(|| word(&self.bytes, function.place + TYPE_LEN + index * 8 + 4))
            .flatten()
            .and_then(|id| self.get(id));
        Some(parameter.is_some_and(|it| it.kind == PTR))
    }

    /// BTF with as many types, of which only the typedefs of these names are what they were: enough to find
    /// their numbers in, and a fraction of the size once parsed.
    pub(super) fn only(&self, typedefs: &[String]) -> Vec<u8> {
        let mut strings = vec![0];
        let mut types = Vec::with_capacity((self.places.len() - 1) * TYPE_LEN);
        let wanted: Vec<(Option<u32>, usize)> = typedefs
            .iter()
            .map(|name| {
                let at = strings.len();
                strings.extend_from_slice(name.as_bytes());
                strings.push(0);
                (self.id(name, &[TYPEDEF]), at)
            })
            .collect();
        for id in (1_u32..).take(self.places.len() - 1) {
            let name = wanted.iter().find(|(wanted, _)| *wanted == Some(id)).map(|(_, name)| length(*name));
            let kind = if name.is_some() { TYPEDEF } else { FORWARD };
            types.extend([name.unwrap_or(0), kind << 24, 0].iter().flat_map(|word| word.to_ne_bytes()));
        }
        let header = [24, 0, length(types.len()), length(types.len()), length(strings.len())];
        let mut bytes = Vec::with_capacity(24 + types.len() + strings.len());
        bytes.extend_from_slice(&MAGIC.to_ne_bytes());
        // Version 1, no flags.
        bytes.extend_from_slice(&[1, 0]);
        bytes.extend(header.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend_from_slice(&types);
        bytes.extend_from_slice(&strings);
        bytes
    }

    /// The type of this name that is of one of these kinds.
    fn id(&self, name: &str, kinds: &[u32]) -> Option<u32> {
        let places = self.places.iter().enumerate().skip(1);
        let mut ids = places.filter(|(_, place)| {
            // The kind first: it is a comparison of numbers, and rules out nearly all.
            self.at(**place).is_some_and(|it| kinds.contains(&it.kind)) && self.name_is(**place, name)
        });
        ids.next().and_then(|(id, _)| u32::try_from(id).ok())
    }

    /// Bit offset and type of a member.
    fn member(&self, of: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let of = self.real(of)?;
        if ![STRUCT, UNION].contains(&of.kind) || depth == 0 {
            return None;
        }
        for place in (0..of.count).map(|n| of.place + TYPE_LEN + n * 12) {
            let (id, offset) = (word(&self.bytes, place + 4)?, word(&self.bytes, place + 8)?);
            let (offset, bit_field) =
                if of.bit_fields { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            if self.name_is(place, name) {
                return (bit_field == 0).then_some((offset, id));
            }
            if self.name_is(place, "")
                && let Some((inner, id)) = self.member(id, name, depth - 1)
            {
                return Some((offset.checked_add(inner)?, id));
            }
        }
        None
    }

    /// The type of an array's elements.
    fn element(&self, array: u32) -> Option<u32> {
        let array = self.real(array).filter(|it| it.kind == ARRAY)?;
        word(&self.bytes, array.place + TYPE_LEN)
    }

    fn size_of(&self, id: u32, depth: u32) -> Option<u32> {
        let it = self.real(id)?;
        match it.kind {
            PTR => u32::try_from(size_of::<usize>()).ok(),
            ARRAY => {
                let count = word(&self.bytes, it.place + TYPE_LEN + 8)?;
                self.size_of(self.element(id)?, depth.checked_sub(1)?)?.checked_mul(count)
            }
            // INT, STRUCT, UNION, ENUM, FLOAT, ENUM64.
            1 | STRUCT | UNION | ENUM | 16 | ENUM64 => Some(it.size_or_type),
            _ => None,
        }
    }

    /// The type behind its other names.
    fn real(&self, id: u32) -> Option<Type> {
        let mut it = self.get(id)?;
        for _ in 0..DEPTH {
            if !ALIASES.contains(&it.kind) {
                return Some(it);
            }
            it = self.get(it.size_or_type)?;
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type> {
        let place = self.places.get(usize::try_from(id).ok()?).filter(|place| **place != 0)?;
        self.at(*place)
    }

    fn at(&self, place: usize) -> Option<Type> {
        let info = word(&self.bytes, place + 4)?;
        Some(Type {
            place,
            kind: info >> 24 & 0x1f,
            count: usize::try_from(info & 0xffff).ok()?,
            bit_fields: info >> 31 == 1,
            size_or_type: word(&self.bytes, place + 8)?,
        })
    }

    /// Whether what is at this place, which begins with its name's, has this name.
    fn name_is(&self, place: usize, name: &str) -> bool {
        let text = || {
            let at = self.strings.checked_add(usize::try_from(word(&self.bytes, place)?).ok()?)?;
            self.bytes.get(at..)?.get(..=name.len())
        };
        text().and_then(|text| text.strip_suffix(b"\0")) == Some(name.as_bytes())
    }
}

impl Type {
    /// Bytes after the fixed part; `None` where the kind is not known.
    const fn rest(self) -> Option<usize> {
        Some(match self.kind {
            1 | 14 | 17 => 4,
            ARRAY => 12,
            STRUCT | UNION | 15 | ENUM64 => self.count * 12,
            ENUM | FUNC_PROTO => self.count * 8,
            PTR | FORWARD | TYPEDEF | 9..=12 | 16 | 18 => 0,
            _ => return None,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// What was parsed from an u32's worth of bytes has no more.
fn length(length: usize) -> u32 {
    u32::try_from(length).expect("BTF's offsets are 32 bits wide")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds BTF word by word; names are given by their text.
    #[derive(Default)]
    struct Builder {
        types: Vec<u32>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn name(&mut self, name: &str) -> u32 {
            if self.strings.is_empty() || name.is_empty() {
                self.strings.resize(self.strings.len().max(1), 0);
            }
            if name.is_empty() {
                return 0;
            }
            let at = self.strings.len();
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            at.try_into().unwrap()
        }

        fn add(&mut self, name: &str, kind: u32, count: u32, size_or_type: u32, rest: &[u32]) {
            let name = self.name(name);
            self.types.extend([name, kind << 24 | count, size_or_type]);
            self.types.extend(rest);
        }

        fn bytes(&self) -> Vec<u8> {
            let types: Vec<u8> = self.types.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let mut bytes = MAGIC.to_ne_bytes().to_vec();
            bytes.extend([1, 0]);
            let header = [24, 0, length(types.len()), length(types.len()), length(self.strings.len())];
            bytes.extend(header.iter().flat_map(|word| word.to_ne_bytes()));
            bytes.extend(types);
            bytes.extend(&self.strings);
            bytes
        }
    }

    /// `struct outer { u64 first; const struct { u32 flag:3; u32 deep; }; u64 list[4]; struct outer *next; }`,
    /// an enumeration, and `typedef void (*btf_trace_x)(void *, int)`.
    fn sample() -> Vec<u8> {
        let mut it = Builder::default();
        it.add("u64", 1, 0, 8, &[64]); // 1
        it.add("u32", 1, 0, 4, &[32]); // 2
        let (flag, deep) = (it.name("flag"), it.name("deep"));
        it.add("", STRUCT, 2 | 1 << 31, 8, &[flag, 2, 3 << 24, deep, 2, 32]); // 3
        it.add("", 10, 0, 3, &[]); // 4: const
        it.add("", ARRAY, 0, 0, &[1, 2, 4]); // 5
        it.add("outer", FORWARD, 0, 0, &[]); // 6
        it.add("", PTR, 0, 8, &[]); // 7
        let (first, list, next) = (it.name("first"), it.name("list"), it.name("next"));
        it.add("outer", STRUCT, 4, 56, &[first, 1, 0, 0, 4, 64, list, 5, 128, next, 7, 384]); // 8
        let (a, b) = (it.name("a_id"), it.name("b_id"));
        it.add("ids", ENUM, 2, 4, &[a, 3, b, 7]); // 9
        it.add("", PTR, 0, 0, &[]); // 10: void *
        it.add("", FUNC_PROTO, 2, 0, &[0, 10, 0, 2]); // 11
        it.add("", PTR, 0, 11, &[]); // 12
        it.add("btf_trace_x", TYPEDEF, 0, 12, &[]); // 13
        let big = it.name("big");
        it.add("wide", ENUM64, 1, 8, &[big, 5, 1]); // 14
        it.bytes()
    }

    #[test]
    fn members_are_found_through_anonymous_ones_arrays_and_other_names() {
        let types = Types::parse(sample()).unwrap();
        for (of, path, want) in [
            ("outer", "first", Some(0)),
            ("outer", "deep", Some(12)),
            ("outer", "list", Some(16)),
            ("outer", "list[0]", Some(16)),
            ("outer", "list[3]", Some(40)),
            ("outer", "next", Some(48)),
            ("outer", "flag", None),
            ("outer", "first[1]", None),
            ("outer", "first.x", None),
            ("outer", "list[x]", None),
            ("outer", "list[4294967295]", None),
            ("outer", "fir", None),
            ("inner", "first", None),
        ] {
            assert_eq!(types.offset(of, path), want, "{of}.{path}");
        }
        assert_eq!((types.size("outer"), types.size("u64x")), (Some(56), None));
    }

    #[test]
    fn enumerators_and_callbacks() {
        let types = Types::parse(sample()).unwrap();
        assert_eq!((types.enumerator("ids", "b_id"), types.enumerator("ids", "c_id")), (Some(7), None));
        assert_eq!(types.enumerator("wide", "big"), Some(1 << 32 | 5));
        for (name, index, want) in [
            ("btf_trace_x", 0, Some(true)),
            ("btf_trace_x", 1, Some(false)),
            ("btf_trace_x", 2, Some(false)),
            ("y", 0, None),
        ] {
            assert_eq!(types.callback(name, index), want, "{name} {index}");
        }
    }

    #[test]
    fn what_is_left_has_the_same_numbers() {
        let types = Types::parse(sample()).unwrap();
        let only = types.only(&["btf_trace_x".to_owned(), "btf_trace_none".to_owned()]);
        assert!(aya::Btf::parse(&only, aya::Endianness::default()).is_ok());
        let again = Types::parse(only).unwrap();
        assert_eq!(again.id("btf_trace_x", &[TYPEDEF]), Some(13));
        assert_eq!(again.places.len(), types.places.len());
    }

    #[test]
    fn what_is_cut_or_strange_is_an_error_and_never_a_panic() {
        let whole = sample();
        for len in 0..whole.len() {
            if let Ok(types) = Types::parse(whole[..len].to_vec()) {
                types.offset("outer", "list[3]");
                types.callback("btf_trace_x", 1);
            }
        }
        for at in 0..whole.len() {
            let mut strange = whole.clone();
            strange[at] = 0xff;
            if let Ok(types) = Types::parse(strange) {
                types.offset("outer", "deep");
                types.offset("outer", "list[3]");
                types.enumerator("ids", "b_id");
                types.callback("btf_trace_x", 0);
            }
        }
    }
}
