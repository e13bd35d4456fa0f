//! Control groups: which one a process is in, whose container that is, and what its limits of memory and tasks leave.
//! Both versions: v1's memory controller, v2's unified hierarchy.

mod attribution;
#[cfg(test)]
mod fixture;
mod freezer;
mod memory;
mod path;
mod pids;
mod resolve;

pub use attribution::{Runtime, is_of_user_manager, pod_uid, runtime, system_service, unit};
pub use freezer::is_frozen;
pub use memory::{Hierarchy, V1_UNLIMITED};
pub use path::{container_id, is_hex_id, is_inside, of_process, short_id, without_ids};
pub use pids::{TaskLimit, task_limit};
pub use resolve::Paths;
