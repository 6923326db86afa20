//! The kernel side, as user space holds it: the BPF object loaded and attached, its memory mapped, its rings read.

mod buffers;
mod error;
mod limits;
mod mapping;
mod messages;
mod programs;
mod ring;
mod run;
mod session;
mod shared;

pub use error::{Error, Result};
pub use run::{run, Progress};
pub use session::{Options, Session};
pub use shared::Totals;
