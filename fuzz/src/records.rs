//! Any bytes as the chunks of a record of an event: trees, texts, addresses, whatever its arguments are.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use tracee_core::catalogue::EVENTS;
use tracee_core::record::{Head, Owned};

fuzz_target!(|data: &[u8]| {
    let [high, low, chunks @ ..] = data else { return };
    let event = u16::from_be_bytes([*high, *low]) % EVENTS.len() as u16;
    let record = Owned::of(&Head { event, slots: 1, ..Head::default() }, chunks);
    common::write(record.as_bytes());
});
