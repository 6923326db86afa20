//! What the messages of ICMP and ICMPv6 are called.

use std::io::Write;

/// Type, its name, and the names of its codes from 0 on.
type Kinds = &'static [(u8, &'static str, &'static [&'static str])];

pub const V4: Kinds = &[
    (0, "EchoReply", &[]),
    (
        3,
        "DestinationUnreachable",
        &[
            "Net",
            "Host",
            "Protocol",
            "Port",
            "FragmentationNeeded",
            "SourceRoutingFailed",
            "NetUnknown",
            "HostUnknown",
            "SourceIsolated",
            "NetAdminProhibited",
            "HostAdminProhibited",
            "NetTOS",
            "HostTOS",
            "CommAdminProhibited",
            "HostPrecedence",
            "PrecedenceCutoff",
        ],
    ),
    (4, "SourceQuench", &[]),
    (5, "Redirect", &["Net", "Host", "TOS+Net", "TOS+Host"]),
    (8, "EchoRequest", &[]),
    (9, "RouterAdvertisement", &[]),
    (10, "RouterSolicitation", &[]),
    (11, "TimeExceeded", &["TTLExceeded", "FragmentReassemblyTimeExceeded"]),
    (12, "ParameterProblem", &["PointerIndicatesError", "MissingOption", "BadLength"]),
    (13, "TimestampRequest", &[]),
    (14, "TimestampReply", &[]),
    (15, "InfoRequest", &[]),
    (16, "InfoReply", &[]),
    (17, "AddressMaskRequest", &[]),
    (18, "AddressMaskReply", &[]),
];

pub const V6: Kinds = &[
    (
        1,
        "DestinationUnreachable",
        &[
            "NoRouteToDst",
            "AdminProhibited",
            "BeyondScopeOfSrc",
            "AddressUnreachable",
            "PortUnreachable",
            "SrcAddressFailedPolicy",
            "RejectRouteToDst",
        ],
    ),
    (2, "PacketTooBig", &[]),
    (3, "TimeExceeded", &["HopLimitExceeded", "FragmentReassemblyTimeExceeded"]),
    (4, "ParameterProblem", &["ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"]),
    (128, "EchoRequest", &[]),
    (129, "EchoReply", &[]),
    (130, "MulticastListenerQuery", &[]),
    (131, "MulticastListenerReport", &[]),
    (132, "MulticastListenerDone", &[]),
    (133, "RouterSolicitation", &[]),
    (134, "RouterAdvertisement", &[]),
    (135, "NeighborSolicitation", &[]),
    (136, "NeighborAdvertisement", &[]),
    (137, "Redirect", &[]),
    (143, "MulticastListenerReportV2", &[]),
];

/// `EchoRequest`, `DestinationUnreachable(Port)`; numbers for what has no name.
pub fn name(out: &mut Vec<u8>, kinds: Kinds, kind: u8, code: u8) {
    let known = kinds.iter().find(|(number, ..)| *number == kind);
    // a Vec takes all
    let _ = match known {
        None => write!(out, "{kind}({code})"),
        Some((_, name, codes)) => match codes.get(usize::from(code)) {
            Some(code) => write!(out, "{name}({code})"),
            None if codes.is_empty() && code == 0 => write!(out, "{name}"),
            None => write!(out, "{name}(Code: {code})"),
        },
    };
}

/// Whether messages of ICMP of this type carry an id and a number in sequence.
pub fn is_numbered(kind: u8) -> bool {
    matches!(kind, 0 | 8 | 13..=18)
}
