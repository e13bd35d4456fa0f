//! What container runtimes know of a container, without asking them: from its id to its name, its image and, in
//! Kubernetes, its pod, by the files that they write and the arguments of who waits for it. Read aside, once for each
//! container; what was read stays with its processes after the container is gone.

mod containers;
mod formats;
mod places;
mod reading;

pub use containers::{Container, Containers};
pub use reading::Access;
