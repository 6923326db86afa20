//! The kernel's own types, as far as we ask: which functions and tracepoints it has. The format is described in the
//! kernel's Documentation/bpf/btf.rst.

use std::collections::{HashMap, HashSet};
use std::fs;

const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC: u32 = 12;

/// What was found of the names asked for: functions, and `btf_trace_NAME` for the tracepoint NAME; to their type's id.
pub type Found = HashMap<String, u32>;

/// Reads the kernel's types; nothing is found where it has none.
pub fn find(names: &HashSet<String>) -> Found {
    let bytes = fs::read("/sys/kernel/btf/vmlinux").unwrap_or_default();
    find_in(&bytes, names).unwrap_or_default()
}

/// Whether the kernel has types at all.
pub fn is_there() -> bool {
    fs::metadata("/sys/kernel/btf/vmlinux").is_ok()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn find_in(bytes: &[u8], names: &HashSet<String>) -> Option<Found> {
    let header = word(bytes, 4)? as usize;
    let part = |at: usize| Some((header + word(bytes, at)? as usize, word(bytes, at + 4)? as usize));
    let ((types, types_length), (strings, strings_length)) = (part(8)?, part(16)?);
    let types = bytes.get(types..types + types_length)?;
    let strings = bytes.get(strings..strings + strings_length)?;
    let longest = names.iter().map(String::len).max().unwrap_or(0);
    let mut found = Found::new();
    let (mut at, mut id) = (0, 1);
    while at + 12 <= types.len() {
        let (name, info) = (word(types, at)? as usize, word(types, at + 4)?);
        let (kind, members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        if kind == KIND_FUNC || kind == KIND_TYPEDEF {
            let text = strings.get(name..(name + longest + 1).min(strings.len()))?;
            let end = text.iter().position(|byte| *byte == 0);
            let text = end.and_then(|end| std::str::from_utf8(&text[..end]).ok());
            if let Some(text) = text.filter(|text| names.contains(*text)) {
                found.insert(text.to_owned(), id);
            }
        }
        at += 12 + extra(kind, members)?;
        id += 1;
    }
    Some(found)
}

/// Bytes that follow a type's head, by its kind.
fn extra(kind: u32, members: usize) -> Option<usize> {
    Some(match kind {
        1 | 14 | 17 => 4,                // INT, VAR, DECL_TAG
        3 => 12,                         // ARRAY
        4 | 5 | 15 | 19 => 12 * members, // STRUCT, UNION, DATASEC, ENUM64
        6 | 13 => 8 * members,           // ENUM, FUNC_PROTO
        2 | 7..=12 | 16 | 18 => 0,       // PTR, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FLOAT, TYPE_TAG
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_functions_and_tracepoints_by_name() {
        // a header of 24 bytes; an int, a function, a typedef; the strings after them
        let strings = b"\0int\0do_exit\0btf_trace_sys_exit\0";
        let types: [u32; 10] = [1, 1 << 24, 4, 32, 5, 12 << 24, 1, 13, 8 << 24, 1];
        let mut bytes: Vec<u8> =
            [0x0001_eb9f_u32, 24, 0, 40, 40, strings.len() as u32].iter().flat_map(|w| w.to_ne_bytes()).collect();
        bytes.extend(types.iter().flat_map(|w| w.to_ne_bytes()));
        bytes.extend_from_slice(strings);
        let names = ["do_exit", "btf_trace_sys_exit", "int", "absent"].map(str::to_owned);
        let found = find_in(&bytes, &HashSet::from(names)).expect("well-formed");
        assert_eq!(found, HashMap::from([("do_exit".to_owned(), 2), ("btf_trace_sys_exit".to_owned(), 3)]));
        // cut anywhere, it is refused or finds less
        for end in 0..bytes.len() {
            assert!(find_in(&bytes[..end], &HashSet::new()).is_none_or(|found| found.is_empty()));
        }
    }
}
