//! The headers of packets as values: the shapes `Proto...` of the catalogue.

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, UdpHeaderSlice};

use super::icmp;
use super::packet::{protocol_name, Packet};
use crate::tree::Writer;

pub fn ipv4(out: &mut Writer, head: &Ipv4HeaderSlice) {
    let bits = u8::from(head.dont_fragment()) << 1 | u8::from(head.more_fragments());
    out.parts(|out| {
        out.number(head.version());
        out.number(head.ihl());
        out.number(head.slice()[1]);
        out.number(head.total_len());
        out.number(head.identification());
        out.number(bits);
        out.number(head.fragments_offset().value());
        out.number(head.ttl());
        out.text(protocol_name(head.protocol()).as_bytes());
        out.number(head.header_checksum());
        out.address(head.source_addr().into());
        out.address(head.destination_addr().into());
    });
}

pub fn ipv6(out: &mut Writer, head: &Ipv6HeaderSlice, packet: &Packet) {
    out.parts(|out| {
        out.number(head.version());
        out.number(head.traffic_class());
        out.number(head.flow_label().value());
        out.number(head.payload_length());
        out.text(protocol_name(head.next_header()).as_bytes());
        out.number(head.hop_limit());
        out.address(head.source_addr().into());
        out.address(head.destination_addr().into());
        out.text(protocol_name(packet.protocol).as_bytes());
        if packet.extensions.is_empty() {
            return;
        }
        out.parts(|out| packet.extensions.iter().for_each(|kind| out.text(protocol_name(*kind).as_bytes())));
        if let Some(fragment) = packet.fragment {
            out.parts(|out| {
                out.number(fragment.id);
                out.number(fragment.offset);
                out.number(fragment.more);
            });
        }
    });
}

pub fn tcp(out: &mut Writer, head: &TcpHeaderSlice) {
    out.parts(|out| {
        out.number(head.source_port());
        out.number(head.destination_port());
        out.number(head.sequence_number());
        out.number(head.acknowledgment_number());
        out.number(head.data_offset());
        let flags = [head.fin(), head.syn(), head.rst(), head.psh(), head.ack(), head.urg(), head.ece(), head.cwr()];
        for flag in flags {
            out.number(flag);
        }
        out.number(head.ns());
        out.number(head.window_size());
        out.number(head.checksum());
        out.number(head.urgent_pointer());
    });
}

pub fn udp(out: &mut Writer, head: &UdpHeaderSlice) {
    out.parts(|out| {
        out.number(head.source_port());
        out.number(head.destination_port());
        out.number(head.length());
        out.number(head.checksum());
    });
}

/// `message`: from its type on.
pub fn icmp(out: &mut Writer, message: &[u8]) {
    let [kind, code, a, b, rest @ ..] = message else { return out.null() };
    out.parts(|out| {
        out.text_by(|text| icmp::name(text, icmp::V4, *kind, *code));
        out.number(u16::from_be_bytes([*a, *b]));
        let [a, b, c, d, ..] = rest else { return };
        if icmp::is_numbered(*kind) {
            out.number(u16::from_be_bytes([*a, *b]));
            out.number(u16::from_be_bytes([*c, *d]));
        }
    });
}

/// `message`: from its type on.
pub fn icmpv6(out: &mut Writer, message: &[u8]) {
    let [kind, code, a, b, ..] = message else { return out.null() };
    out.parts(|out| {
        out.text_by(|text| icmp::name(text, icmp::V6, *kind, *code));
        out.number(u16::from_be_bytes([*a, *b]));
    });
}
