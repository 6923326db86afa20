//! The events of one packet: their arguments, in the catalogue's order.

use std::net::SocketAddr;

use domain::base::Message;

use super::chunks::Chunks;
use super::packet::{Ip, Packet, Transport};
use super::stratum::Line;
use super::{dns, headers, http, Direction, PacketMeta};
use crate::catalogue::index;
use crate::tree::Writer;

/// From where to where, as the socket sees it. Ports are 0 where there are none.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub direction: Direction,
}

impl Route {
    pub fn of(meta: &PacketMeta, packet: &Packet) -> Route {
        let (from, to) = packet.ports().unwrap_or_default();
        Route {
            source: SocketAddr::new(packet.source, from),
            destination: SocketAddr::new(packet.destination, to),
            direction: meta.direction,
        }
    }

    /// The way of what the other side sends.
    #[must_use]
    pub fn back(self) -> Route {
        Route { source: self.destination, destination: self.source, direction: self.direction.back() }
    }
}

pub struct Teller<'a> {
    pub meta: &'a PacketMeta,
    pub packet: &'a Packet<'a>,
    /// The packet's own, but for a message of the other side that it brought to light.
    pub route: Route,
    pub domain: Option<&'a [u8]>,
    pub chunks: &'a mut Chunks,
    pub tell: &'a mut dyn FnMut(u16, &[u8]),
}

impl Teller<'_> {
    /// The events that are about headers.
    pub fn headers(&mut self) {
        let packet = self.packet;
        match &packet.ip {
            Ip::V4(head) => self.header(index::NET_PACKET_IPV4, |out| headers::ipv4(out, head)),
            Ip::V6(head) => self.header(index::NET_PACKET_IPV6, |out| headers::ipv6(out, head, packet)),
        }
        match &packet.transport {
            Transport::Tcp { head, .. } => self.header(index::NET_PACKET_TCP, |out| headers::tcp(out, head)),
            Transport::Udp { head, .. } => self.header(index::NET_PACKET_UDP, |out| headers::udp(out, head)),
            Transport::Icmp(message) => self.header(index::NET_PACKET_ICMP, |out| headers::icmp(out, message)),
            Transport::Icmpv6(message) => self.header(index::NET_PACKET_ICMPV6, |out| headers::icmpv6(out, message)),
            Transport::Other => {}
        }
    }

    fn header(&mut self, event: u16, write: impl FnOnce(&mut Writer)) {
        if !self.meta.wanted.has(event) {
            return;
        }
        let with_ports = [index::NET_PACKET_TCP, index::NET_PACKET_UDP].contains(&event);
        self.begin(with_ports);
        self.chunks.put(|out| {
            write(out);
            false
        });
        self.chunks.text(self.domain);
        self.end(event);
    }

    /// The events of a message of DNS. `cut`: its end is missing.
    pub fn dns(&mut self, message: &Message<[u8]>, cut: bool) {
        if self.meta.wanted.has(index::NET_PACKET_DNS) {
            self.begin(true);
            self.chunks.put(|out| dns::whole(out, message) || cut);
            self.end(index::NET_PACKET_DNS);
        }
        let event = if message.header().qr() { index::NET_PACKET_DNS_RESPONSE } else { index::NET_PACKET_DNS_REQUEST };
        if self.meta.wanted.has(event) {
            self.begin_short();
            self.chunks.put(|out| match message.header().qr() {
                true => dns::answered(out, message) || cut,
                false => dns::asked(out, message),
            });
            self.end(event);
        }
    }

    pub fn http(&mut self, message: &http::Message) {
        if self.meta.wanted.has(index::NET_PACKET_HTTP) {
            self.begin(true);
            self.chunks.put(|out| {
                message.whole(out);
                message.cut
            });
            self.application("http");
        }
        let event = match message.line {
            http::Line::Request { .. } => index::NET_PACKET_HTTP_REQUEST,
            http::Line::Response { .. } => index::NET_PACKET_HTTP_RESPONSE,
        };
        if self.meta.wanted.has(event) {
            self.begin_short();
            self.chunks.put(|out| {
                message.short(out);
                message.cut
            });
            self.end(event);
        }
    }

    pub fn stratum(&mut self, line: &Line) {
        if self.meta.wanted.has(index::NET_PACKET_HTTP) {
            self.begin(true);
            self.chunks.put(|out| {
                line.whole(out);
                false
            });
            self.application("stratum");
        }
    }

    /// The arguments of net_packet_http after the message.
    fn application(&mut self, protocol: &str) {
        self.chunks.text(Some(protocol.as_bytes()));
        self.chunks.text(self.domain);
        self.end(index::NET_PACKET_HTTP);
    }

    /// `src`, `dst`, `src_port` and `dst_port`, `metadata`.
    fn begin(&mut self, with_ports: bool) {
        self.chunks.clear();
        let route = self.route;
        self.chunks.address(route.source.ip());
        self.chunks.address(route.destination.ip());
        if with_ports {
            self.chunks.number(route.source.port());
            self.chunks.number(route.destination.port());
        }
        let direction = route.direction as u8;
        self.chunks.put(|out| {
            out.parts(|out| out.number(direction));
            false
        });
    }

    /// A `PktMeta`.
    fn begin_short(&mut self) {
        let (meta, packet, route) = (self.meta, self.packet, self.route);
        let is_own = route.direction == meta.direction;
        self.chunks.clear();
        self.chunks.put(|out| {
            out.parts(|out| {
                out.address(route.source.ip());
                out.address(route.destination.ip());
                out.number(route.source.port());
                out.number(route.destination.port());
                out.number(packet.protocol.0);
                match is_own {
                    true => out.number(meta.original_length),
                    false => out.null(),
                }
                match meta.ifindex {
                    0 => out.null(),
                    number => out.number(number),
                }
                out.number(route.direction as u8);
            });
            false
        });
    }

    fn end(&mut self, event: u16) {
        (self.tell)(event, self.chunks.bytes());
    }
}
