//! Packets from their IP headers on: two bytes of length and direction, then the packet, again and again.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use tracee_core::network::Direction;

fuzz_target!(|data: &[u8]| {
    let mut sink = common::Sink::default();
    let mut rest = data;
    while let [high, low, after @ ..] = rest {
        let word = u16::from_be_bytes([*high, *low]);
        let direction = if word & 0x8000 == 0 { Direction::Ingress } else { Direction::Egress };
        // a bit says that the packet was longer than what was taken
        let longer = if word & 0x4000 == 0 { 0 } else { 700 };
        let (packet, after) = after.split_at(after.len().min(usize::from(word & 0x3fff)));
        sink.packet(direction, packet, packet.len() + longer);
        rest = after;
    }
});
