//! What the targets share: packets in, and every event of them written in every format.
#![allow(dead_code, reason = "each target takes what it needs")]

use std::cell::RefCell;

use tracee_core::event::Event;
use tracee_core::format::{json::Json, table::Table, Context, Format, Shown};
use tracee_core::network::{Direction, Network, PacketMeta, Wanted};
use tracee_core::record::{Head, Owned};
use tracee_core::time::Clock;

thread_local! {
    /// Made once: what formats prepare takes longer than a packet.
    static FORMATS: RefCell<(Json, Table, Vec<u8>)> = RefCell::new((Json::new(Shown { parse_arguments: true, ..Shown::default() }), Table::new(None, Shown::default()), Vec::new()));
}

#[derive(Default)]
pub struct Sink {
    pub network: Network,
}

impl Sink {
    pub fn packet(&mut self, direction: Direction, bytes: &[u8], length: usize) {
        let wanted = Wanted::EVENTS.iter().fold(Wanted::default(), |wanted, event| wanted.with(*event));
        let meta = PacketMeta { time: 1, direction, netns: 1, ifindex: 1, original_length: length as u32, wanted };
        self.network.packet(&meta, bytes, &mut |event, chunks| {
            let record = Owned::of(&Head { event, slots: 1, ..Head::default() }, chunks);
            write(record.as_bytes());
        });
    }
}

/// Writes a record in every format.
pub fn write(record: &[u8]) {
    let Some(event) = Event::read(record) else { return };
    let context = Context {
        clock: Clock::default(),
        executable: None,
        container: None,
        lineage: None,
        matched: 1,
        policy_names: &[],
        host_mount_ns: 0,
        sha256: None,
    };
    FORMATS.with_borrow_mut(|(json, table, text)| {
        for format in [json as &mut dyn Format, table] {
            text.clear();
            format.write(text, &event, &context);
            assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1, "one event is one line");
            std::str::from_utf8(text).expect("text is UTF-8");
        }
    });
}

pub fn over_ip(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    packet[2..4].copy_from_slice(&(20 + transport.len() as u16).to_be_bytes());
    packet.extend_from_slice(transport);
    packet
}

pub fn over_tcp(from: u16, to: u16, number: u32, data: &[u8]) -> Vec<u8> {
    let mut head = [0; 20];
    head[..2].copy_from_slice(&from.to_be_bytes());
    head[2..4].copy_from_slice(&to.to_be_bytes());
    head[4..8].copy_from_slice(&number.to_be_bytes());
    head[12] = 0x50;
    over_ip(6, &[&head, data].concat())
}
