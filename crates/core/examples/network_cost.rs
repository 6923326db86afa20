//! What dissection costs: ns of this thread's CPU time a packet, for each kind of event alone.
//!     cargo run --release --package tracee-core --example network_cost

use std::hint::black_box;

use tracee_core::catalogue::by_name;
use tracee_core::network::{Direction, Network, PacketMeta, Wanted};

const ROUNDS: u32 = 200_000;

/// Packets that are given again and again, their numbers going on as a connection's do.
struct Work {
    what: &'static str,
    events: &'static [&'static str],
    packet: Vec<u8>,
}

fn main() {
    let request = "GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
    let body = [b'x'; 1400];
    let question = over_udp(50_000, 53, &[&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], QUESTION].concat());
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 192, 0, 2, 1];
    let answer = [&[7, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..], QUESTION, &record].concat();
    let works = [
        Work { what: "headers of a TCP segment", events: &["net_packet_tcp"], packet: over_tcp(443, &body) },
        Work { what: "headers of IPv4", events: &["net_packet_ipv4"], packet: over_tcp(443, &body) },
        Work { what: "question of DNS, short", events: &["net_packet_dns_request"], packet: question },
        Work { what: "answer of DNS, whole", events: &["net_packet_dns"], packet: over_udp(53, 50_000, &answer) },
        Work {
            what: "request of HTTP",
            events: &["net_packet_http_request"],
            packet: over_tcp(80, request.as_bytes()),
        },
        Work { what: "request of HTTP, whole", events: &["net_packet_http"], packet: over_tcp(80, request.as_bytes()) },
        Work {
            what: "segment of another protocol, where HTTP is wanted",
            events: &["net_packet_http"],
            packet: over_tcp(443, &body),
        },
        Work { what: "packet that nothing is wanted of", events: &[], packet: over_tcp(443, &body) },
    ];
    for mut work in works {
        let times: Vec<f64> = (0..5).map(|_| time(&mut work)).collect();
        let best = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{best:7.0} ns  {}", work.what);
    }
}

fn time(work: &mut Work) -> f64 {
    let wanted = work.events.iter().map(|name| by_name(name).expect("in the catalogue").0);
    let wanted = wanted.fold(Wanted::default(), Wanted::with);
    let length = work.packet.len() as u32;
    let is_tcp = work.packet[9] == 6;
    let mut network = Network::default();
    let mut bytes = 0;
    let start = cpu_time();
    for round in 0..ROUNDS {
        if is_tcp {
            let number = round.wrapping_mul(length - 40);
            work.packet[24..28].copy_from_slice(&number.to_be_bytes());
        }
        let direction = Direction::Egress;
        let meta = PacketMeta { time: 1, direction, netns: 1, ifindex: 1, original_length: length, wanted };
        network.packet(&meta, black_box(&work.packet), &mut |_, chunks| bytes += chunks.len());
    }
    assert_eq!(bytes == 0, wanted.is_empty() || work.what.contains("another protocol"));
    (cpu_time() - start) as f64 / f64::from(ROUNDS)
}

/// ns that this thread has run; unlike a clock, it does not count what others do meanwhile.
fn cpu_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer, and a clock that every kernel has
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// `www.example.org`, A, IN
const QUESTION: &[u8] = b"\x03www\x07example\x03org\x00\x00\x01\x00\x01";

fn over_ip(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    packet[2..4].copy_from_slice(&(20 + transport.len() as u16).to_be_bytes());
    packet.extend_from_slice(transport);
    packet
}

fn over_udp(from: u16, to: u16, message: &[u8]) -> Vec<u8> {
    let head = [from.to_be_bytes(), to.to_be_bytes(), (8 + message.len() as u16).to_be_bytes(), [0; 2]];
    over_ip(17, &[head.as_flattened(), message].concat())
}

fn over_tcp(port: u16, data: &[u8]) -> Vec<u8> {
    let mut head = [0; 20];
    head[..2].copy_from_slice(&50_000_u16.to_be_bytes());
    head[2..4].copy_from_slice(&port.to_be_bytes());
    head[12] = 0x50;
    over_ip(6, &[&head, data].concat())
}
