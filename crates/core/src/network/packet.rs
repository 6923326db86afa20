//! The headers of a packet, from IP to its transport.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, UdpHeaderSlice};
use smallvec::SmallVec;

/// Headers between IP and its payload that are passed over.
const MOST_EXTENSIONS: usize = 16;

/// What a packet's bytes say. The payload is as much of it as was taken.
pub struct Packet<'a> {
    pub ip: Ip<'a>,
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The protocol of the payload, after all extension headers.
    pub protocol: IpNumber,
    /// The extension headers that were passed over.
    pub extensions: SmallVec<[IpNumber; 4]>,
    pub fragment: Option<Fragment>,
    pub transport: Transport<'a>,
}

pub enum Ip<'a> {
    V4(Ipv4HeaderSlice<'a>),
    V6(Ipv6HeaderSlice<'a>),
}

/// The fragment header of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    pub id: u32,
    /// In units of 8 bytes.
    pub offset: u16,
    pub more: bool,
}

pub enum Transport<'a> {
    Tcp {
        head: TcpHeaderSlice<'a>,
        payload: Payload<'a>,
    },
    Udp {
        head: UdpHeaderSlice<'a>,
        payload: Payload<'a>,
    },
    /// The message from its type on.
    Icmp(&'a [u8]),
    Icmpv6(&'a [u8]),
    /// Another one, a fragment after the first, or a header that was not taken whole.
    Other,
}

#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    pub bytes: &'a [u8],
    /// How many there are in the packet.
    pub length: usize,
}

impl Payload<'_> {
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}

impl<'a> Packet<'a> {
    /// `bytes`: as many as were taken of the `original_length` from the IP header on. `None` where they make no sense as
    /// IPv4 or IPv6.
    pub fn read(bytes: &'a [u8], original_length: u32) -> Option<Packet<'a>> {
        let whole = whole_length(bytes, original_length as usize);
        let bytes = &bytes[..bytes.len().min(whole)];
        let (ip, source, destination, mut above) = if bytes.first()? >> 4 == 4 {
            let head = Ipv4HeaderSlice::from_slice(bytes).ok()?;
            let above = Above::new(head.protocol(), bytes.get(head.slice().len()..)?);
            let (source, destination) = (head.source_addr().into(), head.destination_addr().into());
            (Ip::V4(head), source, destination, above)
        } else {
            let head = Ipv6HeaderSlice::from_slice(bytes).ok()?;
            let above = Above::new(head.next_header(), bytes.get(head.slice().len()..)?);
            (Ip::V6(head), head.source_addr().into(), head.destination_addr().into(), above)
        };
        let is_whole = match ip {
            Ip::V4(head) => {
                above.pass(&[IpNumber::AUTHENTICATION_HEADER]);
                head.fragments_offset().value() == 0
            }
            Ip::V6(_) => {
                above.pass(&EXTENSIONS);
                above.fragment.is_none_or(|fragment| fragment.offset == 0)
            }
        };
        let Above { protocol, body, extensions, fragment } = above;
        let length = whole.saturating_sub(bytes.len() - body.len());
        // what begins in the middle has no header there
        let transport = if is_whole { transport(protocol, body, length) } else { Transport::Other };
        Some(Packet { ip, source, destination, protocol, extensions, fragment, transport })
    }

    pub fn ports(&self) -> Option<(u16, u16)> {
        match &self.transport {
            Transport::Tcp { head, .. } => Some((head.source_port(), head.destination_port())),
            Transport::Udp { head, .. } => Some((head.source_port(), head.destination_port())),
            _ => None,
        }
    }
}

/// The packet's length by its own header, as far as that makes sense: a packet that the interface is to cut up may say 0,
/// and what is beyond it is no part of it.
fn whole_length(bytes: &[u8], original: usize) -> usize {
    let original = original.max(bytes.len());
    let stated = match (bytes.first().map(|first| first >> 4), bytes) {
        (Some(4), [_, _, high, low, ..]) => usize::from(u16::from_be_bytes([*high, *low])),
        (Some(6), [_, _, _, _, high, low, ..]) => match u16::from_be_bytes([*high, *low]) {
            0 => 0,
            length => 40 + usize::from(length),
        },
        _ => 0,
    };
    if (20..=original).contains(&stated) {
        stated
    } else {
        original
    }
}

/// Headers that may stand between IPv6 and its payload.
const EXTENSIONS: [IpNumber; 5] = [
    IpNumber::IPV6_HEADER_HOP_BY_HOP,
    IpNumber::IPV6_ROUTE_HEADER,
    IpNumber::IPV6_FRAGMENTATION_HEADER,
    IpNumber::AUTHENTICATION_HEADER,
    IpNumber::IPV6_DESTINATION_OPTIONS,
];

/// What is above IP. Read byte by byte: a packet may be cut, or lie, in any of its headers.
struct Above<'a> {
    protocol: IpNumber,
    body: &'a [u8],
    extensions: SmallVec<[IpNumber; 4]>,
    fragment: Option<Fragment>,
}

impl<'a> Above<'a> {
    fn new(protocol: IpNumber, body: &'a [u8]) -> Above<'a> {
        Above { protocol, body, extensions: SmallVec::new(), fragment: None }
    }

    /// Passes over headers of these kinds, up to one that is not there whole, or a part of a payload.
    fn pass(&mut self, kinds: &[IpNumber]) {
        while self.extensions.len() < MOST_EXTENSIONS && kinds.contains(&self.protocol) {
            let [next, units, ..] = *self.body else { return };
            let length = match self.protocol {
                IpNumber::IPV6_FRAGMENTATION_HEADER => 8,
                IpNumber::AUTHENTICATION_HEADER => (usize::from(units) + 2) * 4,
                _ => (usize::from(units) + 1) * 8,
            };
            let Some((header, body)) = self.body.split_at_checked(length) else { return };
            if let (IpNumber::IPV6_FRAGMENTATION_HEADER, [_, _, high, low, id @ ..]) = (self.protocol, header) {
                let word = u16::from_be_bytes([*high, *low]);
                let id = id.first_chunk().map_or(0, |id| u32::from_be_bytes(*id));
                self.fragment = Some(Fragment { id, offset: word >> 3, more: word & 1 != 0 });
            }
            self.extensions.push(self.protocol);
            (self.protocol, self.body) = (IpNumber(next), body);
            if self.fragment.is_some_and(|fragment| fragment.offset != 0) {
                return;
            }
        }
    }
}

fn transport(protocol: IpNumber, body: &[u8], length: usize) -> Transport<'_> {
    match protocol {
        IpNumber::TCP => TcpHeaderSlice::from_slice(body).map_or(Transport::Other, |head| {
            let own = head.slice().len();
            let payload = Payload { bytes: &body[own..], length: length.saturating_sub(own) };
            Transport::Tcp { head, payload }
        }),
        IpNumber::UDP => UdpHeaderSlice::from_slice(body).map_or(Transport::Other, |head| {
            // a datagram may be shorter than the packet; 0 and lengths beyond it are those of packets to be cut up
            let stated = usize::from(head.length()).saturating_sub(8);
            let length = match length.saturating_sub(8) {
                room if stated == 0 || stated > room => room,
                _ => stated,
            };
            let bytes = &body[8..];
            let payload = Payload { bytes: &bytes[..bytes.len().min(length)], length };
            Transport::Udp { head, payload }
        }),
        IpNumber::ICMP => Transport::Icmp(body),
        IpNumber::IPV6_ICMP => Transport::Icmpv6(body),
        _ => Transport::Other,
    }
}

/// The usual name of a protocol above IP, or its number.
pub fn protocol_name(protocol: IpNumber) -> std::borrow::Cow<'static, str> {
    let name = match protocol {
        IpNumber::IPV6_HEADER_HOP_BY_HOP => "IPv6HopByHop",
        IpNumber::ICMP => "ICMPv4",
        IpNumber::IGMP => "IGMP",
        IpNumber::IPV4 => "IPv4",
        IpNumber::TCP => "TCP",
        IpNumber::UDP => "UDP",
        IpNumber::IPV6 => "IPv6",
        IpNumber::IPV6_ROUTE_HEADER => "IPv6Routing",
        IpNumber::IPV6_FRAGMENTATION_HEADER => "IPv6Fragment",
        IpNumber::GRE => "GRE",
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD => "ESP",
        IpNumber::AUTHENTICATION_HEADER => "AH",
        IpNumber::IPV6_ICMP => "ICMPv6",
        IpNumber::IPV6_NO_NEXT_HEADER => "NoNextHeader",
        IpNumber::IPV6_DESTINATION_OPTIONS => "IPv6Destination",
        IpNumber::SCTP => "SCTP",
        IpNumber::UDP_LITE => "UDPLite",
        IpNumber::MPLS_IN_IP => "MPLS",
        other => return other.0.to_string().into(),
    };
    name.into()
}
