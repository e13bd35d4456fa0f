//! The workers around the store: one records every case, one asks the model about what was recorded, one lets
//! incidents go on or end while nothing happens to them.

mod audience;
mod cases;
pub mod lifecycle;
mod model;

pub use audience::Audience;
pub use cases::Recorder;
pub use model::{PendingQuestion, ask_model, model_queue};
