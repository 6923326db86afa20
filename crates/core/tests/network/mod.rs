//! Packets of recorded files, dissected, and the events as users get them.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::cell::RefCell;
use std::path::Path;

use serde_json::{Map, Value};
use tracee_core::catalogue::EVENTS;
use tracee_core::format::json::Json;
use tracee_core::format::table::Table;
use tracee_core::format::Shown;
use tracee_core::network::{Direction, Network, PacketMeta, Wanted};
use tracee_core::record::{Head, Owned};

use crate::common;

pub const NETNS: u32 = 4_026_531_840;

pub struct Recorded {
    pub time: u64,
    pub bytes: Vec<u8>,
}

/// The packets of a file of this folder, from their IP headers on.
pub fn recorded(name: &str) -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network").join(name);
    read(&std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

pub fn read(file: &[u8]) -> Vec<Recorded> {
    let mut reader = pcap_file::pcap::PcapReader::new(file).expect("a pcap file");
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.expect("a whole packet");
        packets.push(Recorded { time: packet.timestamp.as_nanos() as u64, bytes: packet.data.into_owned() });
    }
    packets
}

pub fn all() -> Wanted {
    Wanted::EVENTS.iter().fold(Wanted::default(), |wanted, event| wanted.with(*event))
}

pub fn wanting(names: &[&str]) -> Wanted {
    let index = |name: &&str| tracee_core::catalogue::by_name(name).expect("in the catalogue").0;
    names.iter().map(index).fold(Wanted::default(), Wanted::with)
}

pub fn meta(time: u64, direction: Direction, length: usize, wanted: Wanted) -> PacketMeta {
    PacketMeta { time, direction, netns: NETNS, ifindex: 2, original_length: length as u32, wanted }
}

/// An event's arguments, by their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub name: &'static str,
    pub args: Map<String, Value>,
}

impl Told {
    pub fn part(&self, path: &str) -> Value {
        path.split('.').fold(Value::Object(self.args.clone()), |value, word| match word.parse::<usize>() {
            Ok(index) => value[index].clone(),
            Err(_) => value[word].clone(),
        })
    }

    pub fn text(&self, path: &str) -> String {
        match self.part(path) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

/// The events of one packet, each as a record.
pub fn records(network: &mut Network, meta: &PacketMeta, bytes: &[u8]) -> Vec<Owned> {
    let mut records = Vec::new();
    network.packet(meta, bytes, &mut |event, chunks| {
        let head = Head { event, slots: 1, task: common::task(), time: meta.time, ..Head::default() };
        records.push(Owned::of(&head, chunks));
    });
    records
}

/// The events of one packet, as JSON has them.
pub fn dissect(network: &mut Network, meta: &PacketMeta, bytes: &[u8]) -> Vec<Told> {
    records(network, meta, bytes).iter().map(told).collect()
}

thread_local! {
    static FORMATS: RefCell<(Json, Table)> = RefCell::new((Json::new(Shown::default()), Table::new(None, Shown::default())));
}

pub fn told(record: &Owned) -> Told {
    let (line, row) =
        FORMATS.with_borrow_mut(|(json, table)| (common::write(json, record), common::write(table, record)));
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(row.matches('\n').count(), 1);
    let info = EVENTS.iter().find(|event| Some(event.name) == line["eventName"].as_str()).expect("known");
    let args = line["args"].as_array().expect("a list").iter();
    let args = args.map(|arg| (arg["name"].as_str().expect("a name").to_owned(), arg["value"].clone()));
    Told { name: info.name, args: args.collect() }
}

/// The events of a whole file, as the side sees them that `is_own` says sends a packet.
pub fn dissect_file(network: &mut Network, name: &str, is_own: impl Fn(&[u8]) -> bool, wanted: Wanted) -> Vec<Told> {
    let packets = recorded(name);
    let told = packets.iter().map(|packet| {
        let direction = if is_own(&packet.bytes) { Direction::Egress } else { Direction::Ingress };
        dissect(network, &meta(packet.time, direction, packet.bytes.len(), wanted), &packet.bytes)
    });
    told.flatten().collect()
}

/// Whether an IPv4 packet of TCP or UDP is sent to this port.
pub fn to_port(port: u16) -> impl Fn(&[u8]) -> bool {
    move |bytes| bytes[22..24] == port.to_be_bytes()
}
