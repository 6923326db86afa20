//! Packets that other tools made, and what is told of them.

mod common;
mod network;

use network::{all, dissect, dissect_file, meta, recorded, to_port, wanting, Told, NETNS};
use serde_json::{json, Value};
use tracee_core::network::{Direction, Network};

fn of<'a>(told: &'a [Told], name: &str) -> Vec<&'a Told> {
    told.iter().filter(|told| told.name == name).collect()
}

fn texts(told: &[&Told], path: &str) -> Vec<String> {
    told.iter().map(|told| told.text(path)).collect()
}

#[test]
fn headers_of_tcp_over_ipv4() {
    let told = dissect_file(&mut Network::default(), "http.pcap", to_port(8080), all());
    let (ip, tcp) = (of(&told, "net_packet_ipv4")[1], of(&told, "net_packet_tcp")[1]);
    assert_eq!(ip.part("src"), "192.0.2.1");
    assert_eq!(ip.part("metadata"), json!({"direction": 1}));
    let head = ip.part("proto_ipv4");
    let expected = json!({"version": 4, "IHL": 5, "TOS": 0, "length": 60, "flags": 2, "fragOffset": 0, "TTL": 64,
        "protocol": "TCP", "srcIP": "192.0.2.1", "dstIP": "192.0.2.1"});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&head[name], value, "{name}");
    }
    assert_eq!((tcp.part("src_port"), tcp.part("dst_port")), (json!(8080), json!(37994)));
    let flags = json!({"srcPort": 8080, "dstPort": 37994, "dataOffset": 10, "SYN": 1, "ACK": 1, "FIN": 0, "RST": 0,
        "PSH": 0, "URG": 0, "ECE": 0, "CWR": 0, "NS": 0, "window": 65160, "urgent": 0, "seq": 3_378_759_396_u32});
    for (name, value) in flags.as_object().expect("an object") {
        assert_eq!(&tcp.part("proto_tcp")[name], value, "{name}");
    }
    // nobody asked for the name of that address
    assert_eq!(tcp.part("domain"), Value::Null);
}

#[test]
fn only_what_is_wanted_is_told() {
    let wanted = wanting(&["net_packet_udp", "net_packet_dns_request"]);
    let told = dissect_file(&mut Network::default(), "dns.pcap", to_port(53), wanted);
    assert_eq!((of(&told, "net_packet_udp").len(), of(&told, "net_packet_dns_request").len()), (20, 10));
    assert_eq!(told.len(), 30);
    assert!(dissect_file(&mut Network::default(), "http.pcap", to_port(8080), wanting(&[])).is_empty());
}

#[test]
fn questions_and_answers_of_dns() {
    let told = dissect_file(&mut Network::default(), "dns.pcap", to_port(53), all());
    let asked = of(&told, "net_packet_dns_request");
    assert_eq!(
        asked[0].part("dns_questions"),
        json!([{"query": "web.example", "query_type": "A", "query_class": "IN"}])
    );
    let short = asked[0].part("metadata");
    assert_eq!(
        (&short["src_ip"], &short["dst_port"], &short["protocol"]),
        (&json!("127.0.0.1"), &json!(53), &json!(17))
    );
    assert_eq!((&short["direction"], &short["ifindex"]), (&json!(2), &json!(2)));
    let answered = of(&told, "net_packet_dns_response");
    assert_eq!(
        texts(&answered, "dns_response.0.dns_answer.0.answer"),
        [
            "192.0.2.1",
            "2001:db8::1",
            "web.example",
            "10 mail.example",
            "v=spf1 -all second string",
            "1 2 5060 sip.example",
            "web.example",
            "0 issue \"ca.example\"",
            "1 ",
            "null"
        ]
    );
    assert_eq!(answered[2].part("dns_response.0.dns_answer.1.answer"), "192.0.2.1");
    assert_eq!(answered[2].part("dns_response.0.dns_answer.0.ttl"), 120);
}

#[test]
fn whole_messages_of_dns() {
    let told = dissect_file(&mut Network::default(), "dns.pcap", to_port(53), all());
    let all = of(&told, "net_packet_dns");
    assert_eq!(all.len(), 20);
    let alias = all[5].part("proto_dns");
    for (name, value) in [("ID", json!(14068)), ("QR", json!(1)), ("opCode", json!("query")), ("AA", json!(1))] {
        assert_eq!(alias[name], value, "{name}");
    }
    assert_eq!((&alias["QDCount"], &alias["ANCount"], &alias["ARCount"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(alias["questions"], json!([{"name": "www.alias.example", "type": "A", "class": "IN"}]));
    assert_eq!(
        alias["answers"],
        json!([{"name": "www.alias.example", "type": "CNAME", "class": "IN", "TTL": 120, "CNAME": "web.example"},
            {"name": "web.example", "type": "A", "class": "IN", "TTL": 300, "IP": "192.0.2.1"}])
    );
    assert_eq!(alias["additionals"][0]["type"], "OPT");
    let answer = |index: usize| all[index].part("proto_dns.answers.0");
    assert_eq!(answer(7)["MX"], json!({"preference": 10, "name": "mail.example"}));
    assert_eq!(answer(9)["TXTs"], json!(["v=spf1 -all", "second string"]));
    assert_eq!(answer(11)["SRV"], json!({"priority": 1, "weight": 2, "port": 5060, "name": "sip.example"}));
    assert_eq!(answer(13)["PTR"], "web.example");
    assert_eq!((&answer(15)["type"], &answer(15)["data"]), (&json!("CAA"), &json!("0 issue \"ca.example\"")));
    assert_eq!(answer(17)["HTTPS"], json!({"priority": 1, "target": "", "alpn": ["h2", "h3"], "hints": ["1.2.3.4"]}));
    assert_eq!(all[19].part("proto_dns.responseCode"), "non-existent domain");
    // a cookie that dig sent along
    assert_eq!(all[0].part("proto_dns.additionals.0.OPT.0.code"), "COOKIE");
}

#[test]
fn dns_over_tcp() {
    let told = dissect_file(&mut Network::default(), "dns_tcp.pcap", to_port(53), wanting(&["net_packet_dns"]));
    assert_eq!(
        texts(&of(&told, "net_packet_dns"), "proto_dns.questions.0.name"),
        ["www.alias.example", "www.alias.example", "example", "example"]
    );
    assert_eq!(told[1].part("proto_dns.answers.0.CNAME"), "web.example");
}

#[test]
fn requests_and_responses_of_http() {
    let told = dissect_file(&mut Network::default(), "http.pcap", to_port(8080), all());
    let requests = of(&told, "net_packet_http_request");
    assert_eq!(texts(&requests, "http_request.method"), ["GET", "HEAD", "POST", "GET", "GET", "GET"]);
    assert_eq!(texts(&requests, "http_request.uri_path"), ["/path", "/head", "/form", "/chunked", "/last", "/long"]);
    assert_eq!(
        requests[0].part("http_request"),
        json!({"method": "GET", "protocol": "HTTP/1.1", "host": "192.0.2.1:8080", "uri_path": "/path", "query": "query=1",
            "headers": {"User-Agent": ["test agent"], "Accept": ["*/*"]}, "content_length": 0})
    );
    assert_eq!(requests[2].part("http_request.content_length"), 10);
    assert_eq!(requests[5].text("http_request.headers.X-Long.0").len(), 4000);
    let responses = of(&told, "net_packet_http_response");
    assert_eq!(texts(&responses, "http_response.status"), vec!["200 OK"; 6]);
    assert_eq!(texts(&responses, "http_response.content_length"), ["6", "6", "10", "-1", "6", "6"]);
    assert_eq!(responses[0].part("http_response.headers.Set-Cookie"), json!(["a=1", "b=2"]));
    let whole = of(&told, "net_packet_http");
    assert_eq!(whole.len(), 12);
    assert!(whole.iter().all(|told| told.part("protocol") == "http"));
    assert_eq!(texts(&whole[..2], "proto_http.direction"), ["request", "response"]);
    assert_eq!(texts(&whole[..2], "metadata.direction"), ["2", "1"]);
    assert_eq!(whole[1].part("proto_http.status_code"), 200);
}

#[test]
fn both_ends_on_one_machine_see_each_message() {
    let mut network = Network::default();
    let (mut told, wanted) = (Vec::new(), wanting(&["net_packet_http_request"]));
    for packet in recorded("http.pcap") {
        for direction in [Direction::Egress, Direction::Ingress] {
            told.extend(dissect(
                &mut network,
                &meta(packet.time, direction, packet.bytes.len(), wanted),
                &packet.bytes,
            ));
        }
    }
    assert_eq!(told.len(), 12);
    assert_eq!(told.iter().filter(|told| told.part("metadata.direction") == 1).count(), 6);
}

#[test]
fn segments_out_of_order_again_and_cut() {
    let packets = recorded("http.pcap");
    let wanted = wanting(&["net_packet_http_request"]);
    let long: Vec<&network::Recorded> = packets.iter().filter(|p| p.bytes[20..22] == 38002_u16.to_be_bytes()).collect();
    let with_data: Vec<usize> = (0..long.len()).filter(|i| long[*i].bytes.len() > 200).collect();
    assert_eq!(with_data.len(), 3, "the head is in three segments");
    let [a, b, c] = with_data[..] else { unreachable!() };
    let run = |order: &[usize], cut: usize| {
        let mut network = Network::default();
        let mut told = Vec::new();
        for index in order {
            let bytes = &long[*index].bytes;
            let meta = meta(1, Direction::Egress, bytes.len(), wanted);
            told.extend(dissect(&mut network, &meta, &bytes[..bytes.len().min(cut)]));
        }
        told
    };
    // the last comes before the second, and all but it come again
    let whole = run(&[0, a, b, c], usize::MAX);
    assert_eq!(whole.len(), 1);
    let mixed = run(&[0, a, c, a, b, b, c], usize::MAX);
    assert_eq!(mixed.len(), 1);
    assert_eq!(mixed[0].part("http_request"), whole[0].part("http_request"));
    // what is not taken whole is told as far as it goes
    let cut = run(&[0, a, b, c], 300);
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].part("http_request.uri_path"), "/long");
    assert_eq!(cut[0].part("http_request.headers.X-Long"), Value::Null);
}

/// As the kernel side takes them: bodies, and what is in no message, are left out.
#[test]
fn messages_among_segments_that_were_not_taken() {
    let mut network = Network::default();
    let mut told = Vec::new();
    for packet in recorded("http.pcap") {
        let payload = &packet.bytes[20 + usize::from(packet.bytes[32] >> 4) * 4..];
        let begins = ["GET ", "HEAD ", "POST ", "HTTP/"].iter().any(|word| payload.starts_with(word.as_bytes()));
        let from_client = to_port(8080)(&packet.bytes);
        // the long head's segments are taken: it is one message
        if begins || payload.is_empty() || from_client {
            let direction = if from_client { Direction::Egress } else { Direction::Ingress };
            told.extend(dissect(&mut network, &meta(packet.time, direction, packet.bytes.len(), all()), &packet.bytes));
        }
    }
    let whole = of(&told, "net_packet_http");
    assert_eq!(whole.len(), 12);
    for told in whole {
        let is_request = told.part("proto_http.direction") == "request";
        let expected = if is_request { (json!(8080), json!(2)) } else { (json!(38002), json!(1)) };
        let port = told.part("dst_port");
        assert!(port == expected.0 || !is_request && port == 37994, "{told:?}");
        assert_eq!(told.part("metadata.direction"), expected.1, "{told:?}");
    }
}

#[test]
fn miners_are_known_by_what_they_say() {
    let told = dissect_file(&mut Network::default(), "stratum.pcap", to_port(3333), all());
    let lines = of(&told, "net_packet_http");
    assert!(lines.iter().all(|told| told.part("protocol") == "stratum"));
    assert_eq!(texts(&lines, "proto_http.method"), ["mining.subscribe", "mining.authorize", "mining.submit", "", ""]);
    assert_eq!(lines[0].part("proto_http.headers"), json!({"User-Agent": ["miner/1.0"]}));
    assert_eq!(lines[1].part("proto_http.headers"), json!({"User": ["wallet.worker"]}));
    assert_eq!(lines[4].part("proto_http.direction"), "response");
    assert!(of(&told, "net_packet_http_request").is_empty());
}

#[test]
fn icmp_and_what_is_behind_extension_headers() {
    let told = dissect_file(&mut Network::default(), "icmp.pcap", |_| true, all());
    assert_eq!(
        texts(&of(&told, "net_packet_icmp"), "proto_icmp.typeCode"),
        ["EchoRequest", "EchoReply", "EchoRequest", "EchoReply", "DestinationUnreachable(Port)"]
    );
    assert_eq!(of(&told, "net_packet_icmp")[2].part("proto_icmp.seq"), 2);
    assert_eq!(texts(&of(&told, "net_packet_icmpv6"), "proto_icmpv6.typeCode")[..2], ["EchoRequest", "EchoReply"]);

    let told = dissect_file(&mut Network::default(), "fragments.pcap", |_| true, all());
    let ipv4 = of(&told, "net_packet_ipv4");
    assert_eq!(texts(&ipv4[..3], "proto_ipv4.fragOffset"), ["0", "185", "370"]);
    assert_eq!(texts(&ipv4[..3], "proto_ipv4.flags"), ["1", "1", "0"]);
    assert_eq!(ipv4[6].part("proto_ipv4.protocol"), "SCTP");
    let ipv6 = of(&told, "net_packet_ipv6");
    assert_eq!(ipv6[1].part("proto_ipv6.nextHeader"), "IPv6Fragment");
    assert_eq!(ipv6[1].part("proto_ipv6.fragment.offset"), 181);
    assert_eq!(ipv6[6].part("proto_ipv6.extensions"), json!(["IPv6Destination"]));
    assert_eq!(ipv6[6].part("proto_ipv6.protocol"), "UDP");
    // of a message in fragments the first has its header
    assert_eq!(of(&told, "net_packet_icmp").len(), 2);
    assert_eq!(of(&told, "net_packet_icmpv6").len(), 3);
    assert_eq!(of(&told, "net_packet_udp").len(), 1);
}

#[test]
fn packets_as_bytes() {
    let packet = &recorded("icmp.pcap")[0];
    let wanted = wanting(&["net_packet_raw"]);
    let told = dissect(&mut Network::default(), &meta(1, Direction::Egress, 44, wanted), &packet.bytes[..20]);
    let bytes = data_encoding::BASE64.decode(told[0].text("data").as_bytes()).expect("base64");
    assert_eq!(bytes, packet.bytes[..20]);
}

#[test]
fn names_of_addresses() {
    let mut network = Network::default();
    dissect_file(&mut network, "dns.pcap", to_port(53), wanting(&[]));
    let now = recorded("dns.pcap")[19].time;
    let web = "192.0.2.1".parse().expect("an address");
    let names = |network: &Network, netns, after: u64| -> Vec<String> {
        let names = network.names(netns, web, now + after * 1_000_000_000);
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    };
    assert_eq!(names(&network, NETNS, 0), ["www.alias.example", "web.example"]);
    // the alias holds for 120 s, and what is asked for through it no longer; another namespace knows nothing
    assert_eq!(names(&network, NETNS, 130), Vec::<String>::new());
    assert_eq!(names(&network, NETNS + 1, 0), Vec::<String>::new());
    let told = dissect(
        &mut network,
        &meta(now, Direction::Ingress, 84, wanting(&["net_packet_ipv4", "net_packet_icmp"])),
        &recorded("icmp.pcap")[0].bytes,
    );
    assert_eq!(texts(&told.iter().collect::<Vec<_>>(), "domain"), ["www.alias.example"; 2]);
}

#[test]
fn an_answer_that_nobody_asked_for_names_nothing() {
    let packets = recorded("dns.pcap");
    let web = "192.0.2.1".parse().expect("an address");
    let run = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut network = Network::default();
        for (packet, is_answer) in packets[..2].iter().zip([false, true]) {
            let mut bytes = packet.bytes.clone();
            if is_answer {
                change(&mut bytes);
            }
            let direction = if is_answer { Direction::Ingress } else { Direction::Egress };
            dissect(&mut network, &meta(packet.time, direction, bytes.len(), wanting(&[])), &bytes);
        }
        let known = network.names(NETNS, web, packets[1].time).count();
        known
    };
    assert_eq!(run(&|_| {}), 1);
    assert_eq!(run(&|bytes| bytes[28] ^= 1), 0, "another id");
    assert_eq!(run(&|bytes| bytes[15] = 9), 0, "from another server");
    assert_eq!(run(&|bytes| bytes[23] ^= 1), 0, "to another port");
    assert_eq!(run(&|bytes| bytes[41] = b'x'), 0, "another name");
    assert_eq!(run(&|bytes| bytes[31] |= 3), 0, "no such name");
}
