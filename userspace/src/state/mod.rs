//! What is known of this host's processes: the table of those that live and those that ended lately, and what scans
//! measured of them over time. Owned by the monitor, lent to the kinds; it knows no kind.

pub mod end;
pub mod history;
pub mod identity;
pub mod process;
pub mod table;
pub mod zombies;

pub use end::End;
pub use history::{History, Measure, Series};
pub use process::{Origin, Process};
pub use table::Table;
pub use zombies::Zombies;
