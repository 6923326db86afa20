//! The file format of packets, as tcpdump and all others read it: pcap with times in ns, packets from their IP header on.

/// Says the byte order, and that times are in ns.
const MAGIC: u32 = 0xa1b2_3c4d;
/// `LINKTYPE_RAW`: IPv4 or IPv6, by the first byte.
const RAW: u32 = 101;

/// Bytes of a packet that a file may hold at most. Some readers refuse a packet that was longer on its way than this says,
/// however few of its bytes are kept.
const MOST: u32 = 262_144;

/// What a file begins with.
pub fn file_header() -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&MAGIC.to_le_bytes());
    // version 2.4
    header[4..8].copy_from_slice(&[2, 0, 4, 0]);
    header[16..20].copy_from_slice(&MOST.to_le_bytes());
    header[20..].copy_from_slice(&RAW.to_le_bytes());
    header
}

/// What stands before a packet. `wall`: ns since 1970; `kept`: the bytes that follow, of `length`.
pub fn packet_header(wall: u64, kept: u32, length: u32) -> [u8; 16] {
    let mut header = [0; 16];
    let words = [(wall / 1_000_000_000) as u32, (wall % 1_000_000_000) as u32, kept, length.max(kept)];
    for (place, word) in header.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    header
}
