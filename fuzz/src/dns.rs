//! A message of DNS, as a question first and then as its own answer.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use tracee_core::network::Direction;

fuzz_target!(|data: &[u8]| {
    let data = &data[..data.len().min(60_000)];
    let mut sink = common::Sink::default();
    let datagram = |from: u16, to: u16, message: &[u8]| {
        let head = [from.to_be_bytes(), to.to_be_bytes(), (8 + message.len() as u16).to_be_bytes(), [0; 2]];
        common::over_ip(17, &[head.as_flattened(), message].concat())
    };
    let mut question = data.to_vec();
    if let Some(flags) = question.get_mut(2) {
        *flags &= 0x7f;
    }
    let asked = datagram(5000, 53, &question);
    sink.packet(Direction::Egress, &asked, asked.len());
    let mut answered = datagram(53, 5000, data);
    answered[12..20].rotate_left(4);
    sink.packet(Direction::Ingress, &answered, answered.len());
    let cut = answered.len() / 2 + 14;
    sink.packet(Direction::Ingress, &answered[..cut], answered.len());
    assert!(sink.network.names(1, std::net::Ipv4Addr::LOCALHOST.into(), 1).count() <= 4);
});
