//! Looks at processes whose exec may be suspicious, by a thread of its own.

mod above;
mod descriptors;
mod inspector;
mod looker;
mod remote;
mod sockets;

pub use above::Service;
pub use remote::{Carrier, Remote, Stdin, Way};
pub use sockets::{Endpoint, Socket};

pub(super) use inspector::{Inspector, Looked};
