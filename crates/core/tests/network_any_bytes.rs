//! What must hold for any packets an attacker may send.

mod common;
mod network;

use network::{all, meta, recorded, told, NETNS};
use proptest::collection::vec;
use proptest::prelude::*;
use tracee_core::network::{Direction, Network};

const FILES: [&str; 6] = ["dns.pcap", "dns_tcp.pcap", "http.pcap", "stratum.pcap", "icmp.pcap", "fragments.pcap"];

/// Bytes that are put over those of a packet, and where it is cut.
type Damage = (Vec<(u16, u8)>, Option<u16>);

fn damage() -> impl Strategy<Value = Damage> {
    (vec((any::<u16>(), any::<u8>()), 0..6), proptest::option::weighted(0.3, any::<u16>()))
}

fn damaged(bytes: &[u8], (changes, cut): &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, byte) in changes {
        let length = bytes.len();
        // most often where the headers are
        let place = usize::from(*place) % if place % 3 == 0 { length } else { length.min(120) };
        bytes[place] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(usize::from(*cut) % (bytes.len() + 1));
    }
    bytes
}

/// Every event of it is written as JSON and as a row.
fn dissect(
    network: &mut Network,
    time: u64,
    direction: Direction,
    bytes: &[u8],
    length: usize,
) -> Result<(), TestCaseError> {
    for record in network::records(network, &meta(time, direction, length, all()), bytes) {
        let told = told(&record);
        prop_assert!(told.name.starts_with("net_packet_"));
        prop_assert!(record.as_bytes().len() < 300 << 10, "{} makes {} bytes", told.name, record.as_bytes().len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_packets_of_a_file(file in 0..FILES.len(), damages in vec(damage(), 1..20), order in vec(any::<u8>(), 0..10)) {
        let mut network = Network::default();
        let mut packets = recorded(FILES[file]);
        for (i, with) in order.iter().enumerate() {
            let length = packets.len();
            packets.swap(i % length, usize::from(*with) % length);
        }
        for (i, packet) in packets.iter().enumerate() {
            let bytes = damaged(&packet.bytes, &damages[i % damages.len()]);
            let direction = if i % 2 == 0 { Direction::Egress } else { Direction::Ingress };
            dissect(&mut network, packet.time, direction, &bytes, packet.bytes.len())?;
        }
        let address = "192.0.2.1".parse().expect("an address");
        prop_assert!(network.names(NETNS, address, 0).count() <= 4);
    }

    #[test]
    fn any_bytes_as_a_packet(bytes in vec(any::<u8>(), 0..200), version in prop_oneof![Just(0x45_u8), Just(0x60), any::<u8>()], length: u16) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        dissect(&mut Network::default(), 1, Direction::Egress, &bytes, usize::from(length))?;
    }

    #[test]
    fn any_bytes_as_a_message_of_dns(bytes in vec(any::<u8>(), 0..600), tcp: bool) {
        let mut network = Network::default();
        let packet = if tcp { over_tcp(53, 0, &[&(bytes.len() as u16).to_be_bytes(), &bytes[..]].concat()) } else { over_udp(53, &bytes) };
        dissect(&mut network, 1, Direction::Ingress, &packet, packet.len())?;
    }

    /// Pieces of what HTTP and Stratum are made of, in any order and cut anywhere into segments.
    #[test]
    fn any_pieces_of_messages(pieces in vec(0..PIECES.len(), 0..30), cuts in vec(1..80_usize, 1..10)) {
        let text: Vec<u8> = pieces.iter().flat_map(|piece| PIECES[*piece].bytes()).collect();
        let mut network = Network::default();
        let (mut rest, mut number) = (&text[..], 0_u32);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at(rest.len().min(*cut));
            let packet = over_tcp(8080, number, part);
            dissect(&mut network, 1, Direction::Egress, &packet, packet.len())?;
            (rest, number) = (after, number.wrapping_add(part.len() as u32));
        }
    }
}

const PIECES: [&str; 18] = [
    "GET / HTTP/1.1\r\n",
    "POST http://a/b?c HTTP/1.0\r\n",
    "CONNECT a:1 HTTP/1.1\r\n",
    "HEAD * HTTP/1.1\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 101 \r\n",
    "HTTP/1.1 204\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Transfer-Encoding: chunked\r\n",
    "a: b\r\n",
    "\r\n",
    "\n\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "fffffffffffffffe\r\n",
    "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n",
    "{",
];

fn over_ip(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    packet[2..4].copy_from_slice(&(20 + transport.len() as u16).to_be_bytes());
    packet.extend_from_slice(transport);
    packet
}

fn over_udp(port: u16, message: &[u8]) -> Vec<u8> {
    let head = [port.to_be_bytes(), 5000_u16.to_be_bytes(), (8 + message.len() as u16).to_be_bytes(), [0; 2]];
    over_ip(17, &[head.as_flattened(), message].concat())
}

fn over_tcp(port: u16, number: u32, data: &[u8]) -> Vec<u8> {
    let mut head = [0; 20];
    head[..2].copy_from_slice(&5000_u16.to_be_bytes());
    head[2..4].copy_from_slice(&port.to_be_bytes());
    head[4..8].copy_from_slice(&number.to_be_bytes());
    head[12] = 0x50;
    over_ip(6, &[&head, data].concat())
}

/// What is kept of connections and names stays within bounds, whatever comes.
#[test]
fn a_flood_pushes_out_the_oldest_and_is_counted() {
    let mut network = Network::default();
    for number in 0..6000_u16 {
        // the beginning of a head, on a connection of its own
        let mut packet = over_tcp(8080, 1, &[b"GET /", &[b'a'; 8000][..]].concat());
        packet[20..22].copy_from_slice(&number.to_be_bytes());
        network.packet(&meta(1, Direction::Egress, packet.len(), all()), &packet, &mut |_, _| {});
    }
    let counters = network.counters();
    // 16 MiB hold about 2,000 of them
    assert!((3900..4000).contains(&counters.lost_connections), "{counters:?}");

    for number in 0..10_000_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).octets();
        let question =
            [&(number as u16).to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1]].concat();
        let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4], &address[..]].concat();
        let mut answer = [&question[..], &record].concat();
        (answer[2], answer[7]) = (0x81, 1);
        let mut asked = over_udp(5000, &question);
        asked[22..24].copy_from_slice(&53_u16.to_be_bytes());
        let mut answered = over_udp(53, &answer);
        let (source, destination) = (asked[12..16].to_vec(), asked[16..20].to_vec());
        answered[12..16].copy_from_slice(&destination);
        answered[16..20].copy_from_slice(&source);
        for (packet, direction) in [(&asked, Direction::Egress), (&answered, Direction::Ingress)] {
            network.packet(&meta(1, direction, packet.len(), all()), packet, &mut |_, _| {});
        }
    }
    assert_eq!(network.counters().lost_names, 10_000 - 8192);
    let known = |number: u32| network.names(NETNS, std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 2).count();
    assert_eq!((known(0), known(9_999)), (0, 1));
}

/// Extension headers that end, or say that they end, anywhere.
#[test]
fn extension_headers_of_any_length() {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 0, 64];
    packet.extend_from_slice(&[1; 32]);
    // hop by hop, destination options, routing, authentication, a fragment that is the first, TCP
    packet.extend_from_slice(&[60, 0, 1, 4, 0, 0, 0, 0]);
    packet.extend_from_slice(&[43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&[51, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&[44, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
    packet.extend_from_slice(&[6, 0, 0, 1, 0, 0, 0, 9]);
    packet.extend_from_slice(&over_tcp(443, 1, b"data")[20..]);
    let payload = packet.len() as u16 - 40;
    packet[4..6].copy_from_slice(&payload.to_be_bytes());
    packet[6] = 0;
    let meta = |bytes: &[u8]| meta(1, Direction::Egress, bytes.len(), all());
    let told = network::dissect(&mut Network::default(), &meta(&packet), &packet);
    let names: Vec<&str> = told.iter().map(|told| told.name).collect();
    assert_eq!(names, ["net_packet_raw", "net_packet_ipv6", "net_packet_tcp"]);
    let head = told[1].part("proto_ipv6");
    let extensions = serde_json::json!(["IPv6HopByHop", "IPv6Destination", "IPv6Routing", "AH", "IPv6Fragment"]);
    assert_eq!((&head["extensions"], &head["protocol"]), (&extensions, &"TCP".into()));
    assert_eq!(head["fragment"], serde_json::json!({"id": 9, "offset": 0, "more": 1}));
    for cut in 0..packet.len() {
        network::dissect(&mut Network::default(), &meta(&packet[..cut]), &packet[..cut]);
    }
    for place in 40..packet.len() {
        for byte in [0, 1, 2, 6, 43, 44, 51, 60, 255] {
            let mut changed = packet.clone();
            changed[place] = byte;
            network::dissect(&mut Network::default(), &meta(&changed), &changed);
        }
    }
}
