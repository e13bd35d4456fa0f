//! What facts are made of. Each type that may stand in a fact says here which texts of others it holds, so that none
//! can be forgotten when secrets are masked, and what of it tells one fault from another, so that two deaths of the
//! same fault are known for the same whatever their pids and sizes.

use crate::model::{ExitCause, IncidentKind, Name, SignalWay};
use crate::observation::{RestartPolicy, UnitResult, UnitStage};

/// A value that may stand in a fact. A `String` may not: what others wrote is a [`Name`], and what we write is an enum.
pub trait Part {
    /// Hands over every text that others wrote.
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name));

    /// Hands over what is the same for equal faults: names, statuses, signals, which of several it is. Not measures.
    fn identify(&self, add: &mut dyn FnMut(&[u8]));
}

impl Part for Name {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        act(self);
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        add(self.raw().as_bytes());
    }
}

/// Measures: sizes, times, counts, pids, addresses.
macro_rules! measures {
    ($($Type:ty)*) => {$(
        impl Part for $Type {
            fn each_name(&mut self, _: &mut dyn FnMut(&mut Name)) {}
            fn identify(&self, _: &mut dyn FnMut(&[u8])) {}
        }
    )*};
}
measures!(u16 u32 u64 i32 i64);

/// Numbers that are names: an exit status, a signal, a state letter.
macro_rules! labels {
    ($($Type:ty: $bytes:expr;)*) => {$(
        impl Part for $Type {
            fn each_name(&mut self, _: &mut dyn FnMut(&mut Name)) {}
            fn identify(&self, add: &mut dyn FnMut(&[u8])) {
                let bytes: fn(&$Type) -> [u8; 4] = $bytes;
                add(&bytes(self));
            }
        }
    )*};
}
labels! {
    u8: |it| u32::from(*it).to_le_bytes();
    bool: |it| u32::from(*it).to_le_bytes();
    char: |it| u32::from(*it).to_le_bytes();
    SignalWay: |it| (*it as u32).to_le_bytes();
    UnitResult: |it| (*it as u32).to_le_bytes();
    RestartPolicy: |it| (*it as u32).to_le_bytes();
    UnitStage: |it| (*it as u32).to_le_bytes();
    ExitCause: |it| match *it {
        ExitCause::Status(status) => [0, status, 0, 0],
        ExitCause::Signal(signal) => [1, signal, 0, 0],
        ExitCause::Unknown => [2, 0, 0, 0],
    };
}

impl Part for IncidentKind {
    fn each_name(&mut self, _: &mut dyn FnMut(&mut Name)) {}

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        add(self.as_str().as_bytes());
    }
}

impl<T: Part> Part for Option<T> {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        self.iter_mut().for_each(|it| it.each_name(act));
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        add(&[u8::from(self.is_some())]);
        self.iter().for_each(|it| it.identify(add));
    }
}

impl<T: Part> Part for Vec<T> {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        self.iter_mut().for_each(|it| it.each_name(act));
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        self.iter().for_each(|it| it.identify(add));
    }
}

/// Declares types that may stand in facts: each field must be a [`Part`] itself.
///
/// - `facts! { pub enum Group { Variant { field: Type, … }, … } }`: the statements of one room. In JSON the variant's
///   name in snake case is the `type`; it must be the only one of its name in all rooms.
/// - `facts! { pub struct Piece { field: Type, … } }`: a piece of a statement.
/// - `facts! { pub choice Choice { This, That, … } }`: one of several, a word in JSON.
macro_rules! facts {
    ($(#[$meta:meta])* pub enum $Group:ident {
        $($(#[$variant_meta:meta])* $Variant:ident {
            $($(#[$field_meta:meta])* $field:ident: $Type:ty),* $(,)?
        }),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum $Group {
            $($(#[$variant_meta])* $Variant { $($(#[$field_meta])* $field: $Type),* }),+
        }

        impl $Group {
            /// The names of its variants, as they stand in the code.
            pub(in crate::kinds) const VARIANTS: &'static [&'static str] = &[$(stringify!($Variant)),+];
        }

        impl $crate::kinds::part::Part for $Group {
            fn each_name(&mut self, act: &mut dyn FnMut(&mut $crate::model::Name)) {
                let _ = &act;
                match self {$(
                    Self::$Variant { $($field),* } => { $($crate::kinds::part::Part::each_name($field, act);)* }
                )+}
            }

            fn identify(&self, add: &mut dyn FnMut(&[u8])) {
                match self {$(
                    Self::$Variant { $($field),* } => {
                        add(stringify!($Variant).as_bytes());
                        $($crate::kinds::part::Part::identify($field, add);)*
                    }
                )+}
            }
        }
    };
    ($(#[$meta:meta])* pub struct $Piece:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $Type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $Piece { $($(#[$field_meta])* pub $field: $Type),* }

        impl $crate::kinds::part::Part for $Piece {
            fn each_name(&mut self, act: &mut dyn FnMut(&mut $crate::model::Name)) {
                let _ = &act;
                let Self { $($field),* } = self;
                $($crate::kinds::part::Part::each_name($field, act);)*
            }

            fn identify(&self, add: &mut dyn FnMut(&[u8])) {
                let _ = &add;
                let Self { $($field),* } = self;
                $($crate::kinds::part::Part::identify($field, add);)*
            }
        }
    };
    ($(#[$meta:meta])* pub choice $Choice:ident {
        $($(#[$variant_meta:meta])* $Variant:ident),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $Choice { $($(#[$variant_meta])* $Variant),+ }

        impl $crate::kinds::part::Part for $Choice {
            fn each_name(&mut self, _: &mut dyn FnMut(&mut $crate::model::Name)) {}

            fn identify(&self, add: &mut dyn FnMut(&[u8])) {
                add(match self { $(Self::$Variant => stringify!($Variant)),+ }.as_bytes());
            }
        }
    };
}
pub(in crate::kinds) use facts;
