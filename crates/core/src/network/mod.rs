//! From packets to events: what the bytes of a packet say, and what those of a connection say together.

pub mod capture;
mod chunks;
mod dns;
pub mod flows;
mod headers;
mod http;
mod icmp;
pub mod keeper;
mod messages;
mod names;
mod packet;
pub mod pcap;
mod segments;
mod stratum;
mod streams;
mod teller;

use std::net::IpAddr;
use std::sync::Arc;

use crate::catalogue::index;
use crate::record::Head;
use chunks::Chunks;
use messages::Found;
use names::Names;
pub use names::Shown;
use packet::{Packet, Transport};
use streams::{Key, Segment, Streams};
use teller::{Route, Teller};

/// What is known of a packet beside its bytes.
#[derive(Debug, Clone, Copy)]
pub struct PacketMeta {
    /// ns since boot
    pub time: u64,
    pub direction: Direction,
    /// The network namespace that saw it: its inode.
    pub netns: u32,
    /// The interface, by its number in the namespace; 0: not known.
    pub ifindex: u32,
    /// Bytes of the packet from its IP header on, those that were not taken included.
    pub original_length: u32,
    /// The events that somebody wants of this packet.
    pub wanted: Wanted,
}

/// As the packet passes the task's socket. The numbers are those of the family `packet_direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ingress = 1,
    Egress = 2,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub fn back(self) -> Direction {
        match self {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        }
    }
}

/// A set of events that are made of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted(u16);

impl Wanted {
    /// All that there are, by their indices.
    pub const EVENTS: [u16; 13] = [
        index::NET_PACKET_RAW,
        index::NET_PACKET_IPV4,
        index::NET_PACKET_IPV6,
        index::NET_PACKET_TCP,
        index::NET_PACKET_UDP,
        index::NET_PACKET_ICMP,
        index::NET_PACKET_ICMPV6,
        index::NET_PACKET_DNS,
        index::NET_PACKET_DNS_REQUEST,
        index::NET_PACKET_DNS_RESPONSE,
        index::NET_PACKET_HTTP,
        index::NET_PACKET_HTTP_REQUEST,
        index::NET_PACKET_HTTP_RESPONSE,
    ];

    fn bit(event: u16) -> u16 {
        Wanted::EVENTS.iter().position(|known| *known == event).map_or(0, |at| 1 << at)
    }

    /// With this event; others than those of packets change nothing.
    #[must_use]
    pub fn with(self, event: u16) -> Wanted {
        Wanted(self.0 | Wanted::bit(event))
    }

    pub fn has(self, event: u16) -> bool {
        self.0 & Wanted::bit(event) != 0
    }

    /// Without this event.
    #[must_use]
    pub fn without(self, event: u16) -> Wanted {
        Wanted(self.0 & !Wanted::bit(event))
    }

    /// As the kernel side gives it: bit n is event n of [`Wanted::EVENTS`].
    pub fn from_bits(bits: u64) -> Wanted {
        Wanted(bits as u16)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn any_of_http(self) -> bool {
        const HTTP: [u16; 3] =
            [index::NET_PACKET_HTTP, index::NET_PACKET_HTTP_REQUEST, index::NET_PACKET_HTTP_RESPONSE];
        HTTP.iter().any(|event| self.has(*event))
    }

    fn any_with_domain(self) -> bool {
        const WITH_DOMAIN: [u16; 7] = [
            index::NET_PACKET_IPV4,
            index::NET_PACKET_IPV6,
            index::NET_PACKET_TCP,
            index::NET_PACKET_UDP,
            index::NET_PACKET_ICMP,
            index::NET_PACKET_ICMPV6,
            index::NET_PACKET_HTTP,
        ];
        WITH_DOMAIN.iter().any(|event| self.has(*event))
    }
}

/// What was lost or made no sense, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets whose headers made no sense.
    pub malformed: u64,
    /// Bytes of connections that found no room, or that were cut, before a message was whole.
    pub lost_bytes: u64,
    /// Connections that had to go for others.
    pub lost_connections: u64,
    /// Names and addresses that had to go for others before their time.
    pub lost_names: u64,
}

/// Dissects packets. Remembers connections, and names of addresses by DNS; both are bounded, and the oldest go first.
#[derive(Debug, Default)]
pub struct Network {
    chunks: Chunks,
    names: Names,
    streams: Streams,
    counters: Counters,
}

impl PacketMeta {
    /// Of a record [`crate::record::control::PACKET`].
    pub fn of(head: &Head) -> PacketMeta {
        PacketMeta {
            time: head.time,
            direction: if head.args[0] == 1 { Direction::Ingress } else { Direction::Egress },
            netns: head.args[1] as u32,
            ifindex: head.args[2] as u32,
            original_length: head.args[3] as u32,
            wanted: Wanted::from_bits(head.args[4]),
        }
    }
}

impl Network {
    /// Tells the events that are made of a packet: the event's index, and the chunks of its record, to stand after a head
    /// whose `event` it is ([`crate::record::Owned::of`]). `bytes`: from the IP header on, as many as were taken.
    ///
    /// Every packet that was taken belongs here, wanted or not: names are learnt from the answers, and messages put
    /// together from several segments.
    pub fn packet(&mut self, meta: &PacketMeta, bytes: &[u8], tell: &mut dyn FnMut(u16, &[u8])) {
        if meta.wanted.has(index::NET_PACKET_RAW) {
            self.chunks.clear();
            self.chunks.raw(bytes, bytes.len() < meta.original_length as usize);
            tell(index::NET_PACKET_RAW, self.chunks.bytes());
        }
        let Some(packet) = Packet::read(bytes, meta.original_length) else {
            self.counters.malformed += 1;
            return;
        };
        let domain = self.domain(meta, &packet);
        let route = Route::of(meta, &packet);
        let (chunks, domain) = (&mut self.chunks, domain.as_deref());
        let mut teller = Teller { meta, packet: &packet, route, domain, chunks, tell };
        teller.headers();
        let dns = [route.source, route.destination].iter().any(|end| dns::PORTS.contains(&end.port()));
        match &packet.transport {
            Transport::Udp { payload, .. } if dns => match dns::message(payload.bytes) {
                Some(message) => {
                    teller.dns(message, payload.is_cut());
                    self.names.learn(meta.netns, route, message, meta.time);
                }
                None => self.counters.malformed += 1,
            },
            Transport::Tcp { head, payload } if dns || meta.wanted.any_of_http() => {
                let segment = Segment { direction: meta.direction, head, payload: *payload, dns };
                let key = Key::new(meta.netns, route);
                self.streams.take(key, &segment, &mut self.counters, &mut |direction, found| {
                    teller.route = if direction == route.direction { route } else { route.back() };
                    match found {
                        Found::Http(message) => teller.http(message),
                        Found::Stratum(line) => teller.stratum(line),
                        Found::Dns(bytes, cut) => {
                            if let Some(message) = dns::message(bytes) {
                                teller.dns(message, cut);
                                self.names.learn(meta.netns, teller.route, message, meta.time);
                            }
                        }
                    }
                });
            }
            _ => {}
        }
    }

    /// Names of addresses, for other threads.
    pub fn shown(&self) -> Shown {
        self.names.shown.clone()
    }

    /// The names by which an address was asked for in a network namespace, the latest first. `now`: ns since boot.
    pub fn names(&self, netns: u32, address: IpAddr, now: u64) -> impl Iterator<Item = &Arc<[u8]>> {
        self.names.of(netns, address, now)
    }

    pub fn counters(&self) -> Counters {
        Counters { lost_names: self.names.lost, ..self.counters }
    }

    /// What the other side is called, or else this one.
    fn domain(&self, meta: &PacketMeta, packet: &Packet) -> Option<Arc<[u8]>> {
        if !meta.wanted.any_with_domain() {
            return None;
        }
        let (other, own) = match meta.direction {
            Direction::Ingress => (packet.source, packet.destination),
            Direction::Egress => (packet.destination, packet.source),
        };
        let name = |address| self.names(meta.netns, address, meta.time).next();
        name(other).or_else(|| name(own)).cloned()
    }
}
