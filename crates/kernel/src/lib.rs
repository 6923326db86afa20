//! The kernel side, as user space holds it: the BPF object loaded and attached, its memory mapped, its rings read.

mod btf;
mod buffers;
mod cgroup;
mod containers;
mod error;
mod facts;
mod heal;
mod judge;
mod limits;
mod mapping;
mod messages;
mod names;
mod object;
mod objects;
mod plans;
mod privileges;
mod probe;
mod reduced;
mod ring;
mod run;
mod scan;
mod securityfs;
mod session;
mod shared;
mod sockets;
mod ways;

pub use containers::{Answer, Enrichment, QUESTIONS};
pub use error::{Error, Result};
pub use facts::Facts;
pub use judge::Judge;
pub use privileges::give_up as give_up_privileges;
pub use run::{prepare, run, Progress};
pub use session::{Feed, Options, Session};
pub use shared::Totals;
pub use ways::{Allowed, Chosen};
