//! Filters on what packets tell: parts of arguments, addresses, lists.

mod common;
mod network;

use network::{meta, recorded, records, to_port, wanting};
use tracee_core::catalogue::by_name;
use tracee_core::containers::Subject;
use tracee_core::event::Event;
use tracee_core::filter::{Filter, Rule};
use tracee_core::network::{Direction, Network};
use tracee_core::predicate::{Op, Predicate};
use tracee_core::record::Owned;

fn predicate(text: &str) -> Predicate {
    let at = text.find(['=', '!', '<', '>']).expect("an operator");
    let (field, rest) = text.split_at(at);
    let (op, values) = match rest.as_bytes() {
        [b'!', ..] => (Op::NotEqual, &rest[2..]),
        [b'<', b'=', ..] => (Op::AtMost, &rest[2..]),
        [b'>', b'=', ..] => (Op::AtLeast, &rest[2..]),
        [b'<', ..] => (Op::Less, &rest[1..]),
        [b'>', ..] => (Op::Greater, &rest[1..]),
        _ => (Op::Equal, &rest[1..]),
    };
    Predicate { field: field.into(), op, values: values.split(',').map(str::to_owned).collect() }
}

/// All records of one kind of event that are made of a file.
fn all(file: &str, own_port: u16, event: &str) -> Vec<Owned> {
    let (mut network, is_own) = (Network::default(), to_port(own_port));
    let packets = recorded(file);
    let made = packets.iter().flat_map(|packet| {
        let direction = if is_own(&packet.bytes) { Direction::Egress } else { Direction::Ingress };
        records(&mut network, &meta(1, direction, packet.bytes.len(), wanting(&[event])), &packet.bytes)
    });
    made.collect()
}

/// How many of them a rule with these filters takes.
fn taken(records: &[Owned], event: &str, filters: &[&str]) -> usize {
    let (index, info) = by_name(event).expect("in the catalogue");
    let mut rule = Rule::new(0, 0);
    for filter in filters {
        rule.add(info, &predicate(filter)).unwrap_or_else(|e| panic!("{filter}: {e}"));
    }
    let mut filter = Filter::new();
    filter.add(index, rule);
    let matched = |record: &&Owned| {
        let event = Event::read(record.as_bytes()).expect("a record");
        filter.matching(&event, None, Subject::default()) != 0
    };
    records.iter().filter(matched).count()
}

#[test]
fn parts_addresses_and_lists() {
    let segments = all("http.pcap", 8080, "net_packet_tcp");
    let requests = all("http.pcap", 8080, "net_packet_http_request");
    let questions = all("dns.pcap", 53, "net_packet_dns_request");
    let answers = all("dns.pcap", 53, "net_packet_dns");
    let tcp = |filters: &[&str]| taken(&segments, "net_packet_tcp", filters);
    assert_eq!(tcp(&["data.proto_tcp.SYN=1"]), 4);
    assert_eq!(tcp(&["data.proto_tcp.SYN=1", "data.proto_tcp.ACK=0"]), 2);
    assert_eq!(tcp(&["data.proto_tcp.SYN=1", "data.metadata.direction=egress"]), 2);
    assert_eq!(tcp(&["data.proto_tcp.srcPort=8080", "data.proto_tcp.SYN=1"]), 2);
    assert_eq!(tcp(&["data.src_port=8080", "data.proto_tcp.SYN=1"]), 2);
    assert_eq!(tcp(&["data.proto_tcp.window>=65160"]), 2);
    for (filter, all_of_them) in [
        ("data.src=192.0.2.0/24", true),
        ("data.src=192.0.2.1", true),
        ("data.src=192.0.2.*", true),
        ("data.src=10.0.0.0/8,192.0.2.1/32", true),
        ("data.src!=192.0.2.0/24", false),
        ("data.dst=10.0.0.0/8", false),
        ("data.dst=2001:db8::/32", false),
    ] {
        assert_eq!(tcp(&[filter]), if all_of_them { segments.len() } else { 0 }, "{filter}");
    }
    let http = |filters: &[&str]| taken(&requests, "net_packet_http_request", filters);
    assert_eq!(http(&["data.http_request.method=POST"]), 1);
    assert_eq!(http(&["data.http_request.method!=GET"]), 2);
    assert_eq!(http(&["data.http_request.headers.user-agent=test agent"]), 1);
    assert_eq!(http(&["data.http_request.headers.User-Agent=*curl*"]), 5);
    assert_eq!(http(&["data.http_request.headers.Accept=/"]), 6, "of a list, where it is contained");
    assert_eq!(http(&["data.http_request.headers.Absent=*"]), 0);
    assert_eq!(http(&["data.metadata.dst_ip=192.0.2.0/24", "data.metadata.protocol=IPPROTO_TCP"]), 6);
    let dns = |filters: &[&str]| taken(&questions, "net_packet_dns_request", filters);
    assert_eq!(dns(&["data.dns_questions.query=*.example"]), 7);
    assert_eq!(dns(&["data.dns_questions.query=web.example,example"]), 4);
    assert_eq!(dns(&["data.dns_questions.query_type=MX"]), 1);
    let whole = |filters: &[&str]| taken(&answers, "net_packet_dns", filters);
    assert_eq!(whole(&["data.proto_dns.answers.IP=192.0.2.0/24"]), 2);
    assert_eq!(whole(&["data.proto_dns.answers.TTL<200", "data.proto_dns.answers.TTL>0"]), 1);
    assert_eq!(whole(&["data.proto_dns.answers.MX.name=mail.*"]), 1);
    assert_eq!(whole(&["data.proto_dns.answers.TXTs=second"]), 1);
}

#[test]
fn the_policy_against_miners() {
    let lines = all("stratum.pcap", 3333, "net_packet_http");
    assert_eq!(taken(&lines, "net_packet_http", &["data.protocol=stratum"]), 5);
    assert_eq!(taken(&lines, "net_packet_http", &["data.protocol=http"]), 0);
    let messages = all("http.pcap", 8080, "net_packet_http");
    assert_eq!(taken(&messages, "net_packet_http", &["data.protocol=stratum"]), 0);
}

#[test]
fn fields_that_there_are_not() {
    let wrong = |event: &str, text: &str| {
        let info = by_name(event).expect("in the catalogue").1;
        Rule::new(0, 0).add(info, &predicate(text)).expect_err(text)
    };
    let error = wrong("net_packet_http", "data.proto_http.metod=GET");
    assert!(error.contains("nearest: data.proto_http.method"), "{error}");
    for (event, text) in [
        ("net_packet_http", "data.proto_http=GET"),
        ("net_packet_http", "data.proto_http.headers=GET"),
        ("net_packet_http", "data.protocol.x=1"),
        ("net_packet_tcp", "data.proto_tcp.SYN.x=1"),
        ("net_packet_tcp", "data.proto_tcp.=1"),
        ("net_packet_tcp", "data.src_port=http"),
        ("net_packet_tcp", "data.metadata.direction=sideways"),
        ("net_packet_tcp", "data.src>10.0.0.0/8"),
        ("net_packet_raw", "data.data=abc"),
    ] {
        wrong(event, text);
    }
}
