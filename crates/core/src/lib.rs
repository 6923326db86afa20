//! From records to events to text.
//!
//! Bytes come in as the kernel side wrote them ([`record`]), the catalogue says how to read them ([`event`]), filters
//! choose ([`filter`]), formats write ([`format`]). Nothing here needs root, BPF or Python.

pub mod budget;
pub mod catalogue;
pub mod containers;
pub mod destination;
pub mod dump;
pub mod elf;
pub mod event;
pub mod fields;
pub mod filter;
pub mod findings;
pub mod format;
pub mod handoff;
pub mod losses;
pub mod merge;
pub mod names;
pub mod network;
pub mod pattern;
pub mod pipeline;
pub mod plan;
pub mod predicate;
pub mod record;
pub mod scope;
pub mod shelf;
pub mod slots;
pub mod tables;
pub mod tasks;
pub mod text;
pub mod time;
pub mod tree;
pub mod value;
pub mod watch;
pub mod writer;
