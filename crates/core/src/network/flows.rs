//! TCP connections: the kernel tells of their beginning and end, names of addresses are added here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::catalogue::index;
use crate::event::Event;
use crate::record::{chunk, Head, Owned};
use crate::value::{SockAddr, Value};

const INET6: u16 = 10;
const STREAM: i64 = 1;
/// `enum flow_end`; the first is no end.
const REASONS: [&str; 6] = ["", "closed", "reset", "timeout", "aborted", "failed"];

/// `struct flow` of `bpf/include/record.h`
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Flow {
    family: u16,
    own_port: u16,
    other_port: u16,
    ended: u8,
    way: u8,
    own: [u8; 16],
    other: [u8; 16],
    /// ns since boot; 0: not known
    began: u64,
    sent: u64,
    received: u64,
    segments_out: u32,
    segments_in: u32,
    /// Its network namespace: the inode.
    pub netns: u32,
    error: u32,
}

const _: () = assert!(size_of::<Flow>() == 80, "bpf/include/record.h");

/// Finds the names of an address in a network namespace.
pub type Names<'a> = &'a dyn Fn(u32, IpAddr) -> Vec<Arc<[u8]>>;

impl Flow {
    fn address(&self, bytes: [u8; 16]) -> IpAddr {
        match self.family {
            // a mapped address is the IPv4 address that it carries
            INET6 => IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(),
            _ => Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(),
        }
    }

    /// The event: `net_flow_tcp_begin` or `net_flow_tcp_end`. Source is the side that made the connection; where that is
    /// not known, this one.
    pub fn record(&self, head: &Head, names: Names) -> Owned {
        let event = if self.ended == 0 { index::NET_FLOW_TCP_BEGIN } else { index::NET_FLOW_TCP_END };
        let own = (self.address(self.own), self.own_port);
        let other = (self.address(self.other), self.other_port);
        let (direction, [from, to]) = match self.way {
            0 => (None, [own, other]),
            1 => (Some("incoming"), [other, own]),
            _ => (Some("outgoing"), [own, other]),
        };
        let mut record = begin(head, event);
        push_text(&mut record, direction);
        push_address(&mut record, from.0);
        push_address(&mut record, to.0);
        push_number(&mut record, from.1.into());
        push_number(&mut record, to.1.into());
        push_names(&mut record, &names(self.netns, from.0));
        push_names(&mut record, &names(self.netns, to.0));
        if self.ended != 0 {
            push_text(&mut record, REASONS.get(usize::from(self.ended)).copied());
            match self.began {
                0 => record.push_chunk(&[], chunk::NULL),
                began => push_number(&mut record, head.time.saturating_sub(began)),
            }
            push_number(&mut record, self.sent);
            push_number(&mut record, self.received);
            push_number(&mut record, self.segments_out.into());
            push_number(&mut record, self.segments_in.into());
        }
        record
    }
}

/// The `net_tcp_connect` that a `security_socket_connect` is; `None`: it is none.
pub fn connect(event: &Event, names: Names) -> Option<Owned> {
    let value = |name| event.value(event.info.args.iter().position(|arg| arg.name == name).unwrap_or(usize::MAX));
    let Value::Int(STREAM) = value("type") else { return None };
    let (address, port) = match value("remote_addr") {
        Value::SockAddr(SockAddr::Inet { address, port }) => (IpAddr::V4(address), port),
        Value::SockAddr(SockAddr::Inet6 { address, port, .. }) => (IpAddr::V6(address).to_canonical(), port),
        _ => return None,
    };
    let mut record = begin(event.head, index::NET_TCP_CONNECT);
    push_address(&mut record, address);
    push_number(&mut record, port.into());
    // the kernel side puts the network namespace where other events have nothing
    push_names(&mut record, &names(event.head.args[0] as u32, address));
    Some(record)
}

/// The record of another event than the one that the head is of.
pub(crate) fn begin(head: &Head, event: u16) -> Owned {
    Owned::new(&Head { event, ret: 0, args: [0; 6], ..*head })
}

fn push_text(record: &mut Owned, text: Option<&str>) {
    record.push_chunk(text.unwrap_or_default().as_bytes(), if text.is_some() { 0 } else { chunk::NULL });
}

fn push_number(record: &mut Owned, number: u64) {
    record.push_chunk(&number.to_le_bytes(), 0);
}

fn push_address(record: &mut Owned, address: IpAddr) {
    match address {
        IpAddr::V4(address) => record.push_chunk(&address.octets(), 0),
        IpAddr::V6(address) => record.push_chunk(&address.octets(), 0),
    }
}

fn push_names(record: &mut Owned, names: &[Arc<[u8]>]) {
    let mut list = Vec::new();
    for name in names {
        list.extend_from_slice(name);
        list.push(0);
    }
    record.push_chunk(&list, 0);
}
