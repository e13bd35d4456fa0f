//! The monitor: owns the process table, joins observations, asks the detectors, raises cases.

mod handle;

pub use handle::Handle;
