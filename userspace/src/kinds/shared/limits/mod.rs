//! What a process can grow into: the limit of memory or tasks that binds it first. Small files of the kernel's, read
//! for suspects only; none of them can be held up by a process.

mod commands;
pub mod facts;
mod memory;
mod tasks;
#[cfg(test)]
mod tests;
pub mod words;

pub use commands::task_limits;
pub use memory::{host_memory_left, of_memory};
pub use tasks::{HostTasks, of_tasks, of_user};
