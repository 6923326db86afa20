//! Messages of DNS. What cannot be read ends its section, and so what comes after; what came before is told.

use std::io::Write;

use domain::base::iana::{Opcode, Rcode, Rtype};
use domain::base::name::ToLabelIter;
use domain::base::opt::Opt;
use domain::base::opt::UnknownOptData;
use domain::base::{Message, ParsedName, ParsedRecord, Question};
use domain::rdata::svcb::value::{Alpn, Ipv4Hint, Ipv6Hint, Port};
use domain::rdata::{Aaaa, AllRecordData, Cname, Https, Mx, Ns, Ptr, Soa, Srv, Svcb, Txt, A};

use crate::tree::Writer;

/// Bytes that are made of one message. Names are compressed in it: a few bytes may stand for 255.
const MOST: usize = 64 << 10;

/// Where DNS is spoken: with servers, by mDNS, by LLMNR.
pub const PORTS: [u16; 3] = [53, 5353, 5355];

type Bytes = Message<[u8]>;
type Name<'a> = ParsedName<&'a [u8]>;
pub type Record<'a> = ParsedRecord<'a, [u8]>;

/// `None` where there is not even a header.
pub fn message(bytes: &[u8]) -> Option<&Bytes> {
    Message::from_slice(bytes).ok()
}

pub fn questions(message: &Bytes) -> impl Iterator<Item = Question<Name<'_>>> {
    message.question().map_while(Result::ok)
}

/// The records of a section: 0 answers, 1 authorities, 2 additionals.
pub fn records(message: &Bytes, section: usize) -> impl Iterator<Item = Record<'_>> {
    let mut records = message.answer().ok();
    for _ in 0..section {
        records = records.and_then(|records| records.next_section().ok().flatten());
    }
    records.into_iter().flatten().map_while(Result::ok)
}

/// A `ProtoDNS`. Whether something of the message had to be left out.
pub fn whole(out: &mut Writer, message: &Bytes) -> bool {
    let (head, counts) = (message.header(), message.header_counts());
    let mut left_out = false;
    out.parts(|out| {
        out.number(head.id());
        out.number(head.qr());
        out.text_by(|text| opcode(text, head.opcode()));
        for flag in [head.aa(), head.tc(), head.rd(), head.ra()] {
            out.number(flag);
        }
        out.number(message.as_slice()[3] >> 4 & 7);
        out.text_by(|text| response_code(text, message));
        let expected = [counts.qdcount(), counts.ancount(), counts.nscount(), counts.arcount()];
        for count in expected {
            out.number(count);
        }
        out.parts(|out| left_out |= put_all(out, questions(message), expected[0], question));
        for (section, count) in expected[1..].iter().enumerate() {
            out.parts(|out| left_out |= put_all(out, records(message, section), *count, |out, r| record(out, &r)));
        }
    });
    left_out
}

/// Puts what there is room for. Whether that is less than there should be.
fn put_all<T>(
    out: &mut Writer,
    items: impl Iterator<Item = T>,
    expected: u16,
    mut put: impl FnMut(&mut Writer, T),
) -> bool {
    let mut count = 0;
    for item in items {
        if out.bytes.len() > MOST {
            break;
        }
        put(out, item);
        count += 1;
    }
    count < usize::from(expected)
}

fn question(out: &mut Writer, question: Question<Name>) {
    out.parts(|out| {
        out.text_by(|text| name(text, question.qname()));
        out.text_by(|text| display(text, question.qtype()));
        out.text_by(|text| display(text, question.qclass()));
    });
}

/// Fields of `ProtoDNSResourceRecord`, by their places.
mod place {
    pub const IP: usize = 4;
    pub const NS: usize = 5;
    pub const CNAME: usize = 6;
    pub const PTR: usize = 7;
    pub const TXTS: usize = 8;
    pub const SOA: usize = 9;
    pub const SRV: usize = 10;
    pub const MX: usize = 11;
    pub const OPT: usize = 12;
    pub const HTTPS: usize = 13;
    pub const DATA: usize = 14;
}

fn record(out: &mut Writer, record: &Record) {
    out.parts(|out| {
        out.text_by(|text| name(text, &record.owner()));
        out.text_by(|text| display(text, record.rtype()));
        out.text_by(|text| display(text, record.class()));
        out.number(record.ttl().as_secs());
        let data = Data::of(record);
        let place = data.place();
        (4..place).for_each(|_| out.null());
        data.put(out);
    });
}

/// What a record says.
enum Data<'a> {
    Address(std::net::IpAddr),
    Name(usize, Name<'a>),
    Texts(Txt<&'a [u8]>),
    Soa(Soa<Name<'a>>),
    Srv(Srv<Name<'a>>),
    Mx(Mx<Name<'a>>),
    Options(Opt<&'a [u8]>),
    Service(u16, Name<'a>, domain::rdata::svcb::SvcParams<&'a [u8]>),
    Other(AllRecordData<&'a [u8], Name<'a>>),
    /// It makes no sense.
    Broken,
}

impl<'a> Data<'a> {
    fn of(record: &'a Record<'a>) -> Data<'a> {
        macro_rules! data {
            ($kind:ty) => {
                record.to_record::<$kind>().ok().flatten().map(|record| record.into_data())
            };
        }
        let data = match record.rtype() {
            Rtype::A => data!(A).map(|a| Data::Address(a.addr().into())),
            Rtype::AAAA => data!(Aaaa).map(|a| Data::Address(a.addr().into())),
            Rtype::NS => data!(Ns<_>).map(|ns| Data::Name(place::NS, ns.into_nsdname())),
            Rtype::CNAME => data!(Cname<_>).map(|cname| Data::Name(place::CNAME, cname.into_cname())),
            Rtype::PTR => data!(Ptr<_>).map(|ptr| Data::Name(place::PTR, ptr.into_ptrdname())),
            Rtype::TXT => data!(Txt<_>).map(Data::Texts),
            Rtype::SOA => data!(Soa<_>).map(Data::Soa),
            Rtype::SRV => data!(Srv<_>).map(Data::Srv),
            Rtype::MX => data!(Mx<_>).map(Data::Mx),
            Rtype::OPT => data!(Opt<_>).map(Data::Options),
            Rtype::HTTPS => data!(Https<_, _>).map(|s| Data::Service(s.priority(), *s.target(), s.params().clone())),
            Rtype::SVCB => data!(Svcb<_, _>).map(|s| Data::Service(s.priority(), *s.target(), s.params().clone())),
            _ => record.to_any_record::<AllRecordData<_, _>>().ok().map(|record| Data::Other(record.into_data())),
        };
        data.unwrap_or(Data::Broken)
    }

    fn place(&self) -> usize {
        match self {
            Data::Address(_) => place::IP,
            Data::Name(place, _) => *place,
            Data::Texts(_) => place::TXTS,
            Data::Soa(_) => place::SOA,
            Data::Srv(_) => place::SRV,
            Data::Mx(_) => place::MX,
            Data::Options(_) => place::OPT,
            Data::Service(..) => place::HTTPS,
            Data::Other(_) | Data::Broken => place::DATA,
        }
    }

    /// The value at its place.
    fn put(&self, out: &mut Writer) {
        match self {
            Data::Address(address) => out.address(*address),
            Data::Name(_, target) => out.text_by(|text| name(text, target)),
            Data::Texts(texts) => out.parts(|out| texts.iter().for_each(|text| out.text(text))),
            Data::Soa(soa) => out.parts(|out| {
                out.text_by(|text| name(text, soa.mname()));
                out.text_by(|text| name(text, soa.rname()));
                out.number(soa.serial().into_int());
                for time in [soa.refresh(), soa.retry(), soa.expire(), soa.minimum()] {
                    out.number(time.as_secs());
                }
            }),
            Data::Srv(srv) => out.parts(|out| {
                for number in [srv.priority(), srv.weight(), srv.port()] {
                    out.number(number);
                }
                out.text_by(|text| name(text, srv.target()));
            }),
            Data::Mx(mx) => out.parts(|out| {
                out.number(mx.preference());
                out.text_by(|text| name(text, mx.exchange()));
            }),
            Data::Options(options) => out.parts(|out| {
                for option in options.iter::<UnknownOptData<_>>().map_while(Result::ok) {
                    out.parts(|out| {
                        out.text_by(|text| match option.code().to_mnemonic_str() {
                            Some(name) => text.extend_from_slice(name.as_bytes()),
                            None => display(text, option.code()),
                        });
                        out.text(data_encoding::HEXLOWER.encode(option.as_slice()));
                    });
                }
            }),
            Data::Service(priority, target, params) => out.parts(|out| {
                out.number(*priority);
                out.text_by(|text| name(text, target));
                service_parameters(out, params);
            }),
            Data::Other(data) => out.text_by(|text| other(text, data)),
            Data::Broken => out.null(),
        }
    }

    /// As one text.
    fn text(&self, out: &mut Vec<u8>) {
        match self {
            Data::Address(address) => display(out, address),
            Data::Name(_, target) => name(out, target),
            Data::Texts(texts) => {
                for (i, text) in texts.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b" " });
                    out.extend_from_slice(text);
                }
            }
            Data::Soa(soa) => {
                name(out, soa.mname());
                out.push(b' ');
                name(out, soa.rname());
                display(out, format_args!(" {}", soa.serial()));
            }
            Data::Srv(srv) => {
                display(out, format_args!("{} {} {} ", srv.priority(), srv.weight(), srv.port()));
                name(out, srv.target());
            }
            Data::Mx(mx) => {
                display(out, format_args!("{} ", mx.preference()));
                name(out, mx.exchange());
            }
            Data::Service(priority, target, _) => {
                display(out, format_args!("{priority} "));
                name(out, target);
            }
            Data::Other(data) => other(out, data),
            Data::Options(_) | Data::Broken => {}
        }
    }
}

/// A record of another type, as zone files have it.
fn other(out: &mut Vec<u8>, data: &AllRecordData<&[u8], Name>) {
    match data {
        AllRecordData::Unknown(unknown) if unknown.rtype() == Rtype::CAA => certifier(out, unknown.data()),
        data => display(out, data),
    }
}

/// Who may issue certificates for a name: `0 issue "ca.example"`.
fn certifier(out: &mut Vec<u8>, data: &[u8]) {
    let parts = data.split_first_chunk::<2>().and_then(|([flags, length], rest)| {
        let (tag, value) = rest.split_at_checked(usize::from(*length))?;
        Some((flags, tag, value))
    });
    if let Some((flags, tag, value)) = parts {
        display(out, format_args!("{flags} "));
        out.extend_from_slice(&[tag, b" \"", value, b"\""].concat());
    }
}

/// The rest of a `ProtoDNSHTTPS`: how the service is spoken to, and where it may be.
fn service_parameters(out: &mut Writer, params: &domain::rdata::svcb::SvcParams<&[u8]>) {
    match params.first::<Alpn<_>>() {
        Some(alpn) => out.parts(|out| alpn.iter().for_each(|protocol| out.text(protocol))),
        None => out.null(),
    }
    match params.first::<Port>() {
        Some(port) => out.number(port.port()),
        None => out.null(),
    }
    let (ipv4, ipv6) = (params.first::<Ipv4Hint<_>>(), params.first::<Ipv6Hint<_>>());
    if ipv4.is_some() || ipv6.is_some() {
        out.parts(|out| {
            ipv4.iter().for_each(|hint| hint.iter().for_each(|address| out.address(address.into())));
            ipv6.iter().for_each(|hint| hint.iter().for_each(|address| out.address(address.into())));
        });
    }
}

/// A list of `DnsQueryData`.
pub fn asked(out: &mut Writer, message: &Bytes) -> bool {
    let mut left_out = false;
    let expected = message.header_counts().qdcount();
    out.parts(|out| left_out = put_all(out, questions(message), expected, question));
    left_out
}

/// A list of `DnsResponseData`: for each question, all the answers.
pub fn answered(out: &mut Writer, message: &Bytes) -> bool {
    let counts = message.header_counts();
    let mut left_out = false;
    out.parts(|out| {
        left_out |= put_all(out, questions(message), counts.qdcount(), |out, asked| {
            out.parts(|out| {
                question(out, asked);
                out.parts(|out| {
                    left_out |= put_all(out, records(message, 0), counts.ancount(), |out, r| answer(out, &r))
                });
            });
        });
    });
    left_out
}

fn answer(out: &mut Writer, record: &Record) {
    out.parts(|out| {
        out.text_by(|text| display(text, record.rtype()));
        out.number(record.ttl().as_secs());
        out.text_by(|text| Data::of(record).text(text));
    });
}

/// Where a record of an answer leads: to an address, or to another name.
pub enum Leads<'a> {
    Address(std::net::IpAddr),
    Name(Name<'a>),
}

pub fn leads<'a>(record: &'a Record<'a>) -> Option<Leads<'a>> {
    match Data::of(record) {
        Data::Address(address) => Some(Leads::Address(address)),
        Data::Name(place::CNAME, name) => Some(Leads::Name(name)),
        _ => None,
    }
}

/// Appends a name: labels with dots between, none at the end. A byte that could be taken for something else is written
/// as in zone files: `\.`, `\032`.
pub fn name(out: &mut Vec<u8>, name: &impl ToLabelIter) {
    for (i, label) in name.iter_labels().filter(|label| !label.is_root()).enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        for &byte in label.as_slice() {
            match byte {
                b'.' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'!'..=b'~' => out.push(byte),
                _ => display(out, format_args!("\\{byte:03}")),
            }
        }
    }
}

fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // a Vec takes all
    let _ = write!(out, "{value}");
}

fn opcode(out: &mut Vec<u8>, code: Opcode) {
    let name = match code {
        Opcode::QUERY => "query",
        Opcode::IQUERY => "inverse query",
        Opcode::STATUS => "status",
        Opcode::NOTIFY => "notify",
        Opcode::UPDATE => "update",
        other => return display(out, other.to_int()),
    };
    out.extend_from_slice(name.as_bytes());
}

fn response_code(out: &mut Vec<u8>, message: &Bytes) {
    let name = match message.header().rcode() {
        Rcode::NOERROR => "no error",
        Rcode::FORMERR => "format error",
        Rcode::SERVFAIL => "server failure",
        Rcode::NXDOMAIN => "non-existent domain",
        Rcode::NOTIMP => "not implemented",
        Rcode::REFUSED => "query refused",
        other => return display(out, other.to_int()),
    };
    out.extend_from_slice(name.as_bytes());
}
