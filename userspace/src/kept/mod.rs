//! Copies of the files that programs in other roots than the host's run: with a container its files go, and with them
//! the names of what crashed in it. A copy is made soon after a program begins, by a helper, and lies in the data folder,
//! named after its content: so nobody's file is taken for another's of the same build-id, and equal ones lie there once.
//! Nothing is held open: a container's file system can be taken away at any time.

mod folder;
mod index;
mod keeper;

pub use folder::Bounds;
pub use keeper::Kept;
