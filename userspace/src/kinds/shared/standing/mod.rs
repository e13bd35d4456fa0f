//! What is true of a live process now, whether or not anything is wrong with it: for who asks about one.

pub mod facts;
pub mod words;
