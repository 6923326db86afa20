//! What two sides of a TCP connection send, in segments: a byte of length (the highest bit: the side), then the bytes.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use tracee_core::network::Direction;

fuzz_target!(|data: &[u8]| {
    let Some((port, mut rest)) = data.split_first() else { return };
    let port = if port & 1 == 0 { 8080 } else { 53 };
    let mut sink = common::Sink::default();
    let mut numbers = [0_u32; 2];
    while let Some((length, after)) = rest.split_first() {
        let side = usize::from(length >> 7);
        let (part, after) = after.split_at(after.len().min(usize::from(length & 0x7f)));
        let (from, to, direction) =
            if side == 0 { (5000, port, Direction::Egress) } else { (port, 5000, Direction::Ingress) };
        let mut packet = common::over_tcp(from, to, numbers[side], part);
        if side == 1 {
            let (source, destination) = (packet[12..16].to_vec(), packet[16..20].to_vec());
            packet[12..16].copy_from_slice(&destination);
            packet[16..20].copy_from_slice(&source);
        }
        sink.packet(direction, &packet, packet.len());
        numbers[side] = numbers[side].wrapping_add(part.len() as u32);
        rest = after;
    }
});
