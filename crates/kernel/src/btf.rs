//! The kernel's own types, as far as we ask: which functions and tracepoints it has. The format is described in the
//! kernel's Documentation/bpf/btf.rst.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::os::fd::AsFd;

use crate::mapping::Mapping;

pub const KIND_STRUCT: u32 = 4;
pub const KIND_TYPEDEF: u32 = 8;
pub const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;

const PATH: &str = "/sys/kernel/btf/vmlinux";
/// No name that is asked for is longer.
const LONGEST: usize = 128;

/// What was found of the names asked for: functions, structures, and `btf_trace_NAME` for the tracepoint NAME.
pub type Found = HashMap<String, Known>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The type's.
    pub id: u32,
    /// How many a function takes.
    pub arguments: u32,
}

/// The kernel's types as it describes them.
pub enum Bytes {
    /// From 6.16 on: a read brings a page of the thousand.
    Mapped(Mapping, usize),
    Read(Vec<u8>),
}

impl Bytes {
    /// Empty where the kernel has none.
    pub fn of_kernel() -> Bytes {
        let mapped = || {
            let file = File::open(PATH).ok()?;
            let length = file.metadata().ok()?.len() as usize;
            Some(Bytes::Mapped(Mapping::of_file("the kernel's types", file.as_fd(), length).ok()?, length))
        };
        mapped().unwrap_or_else(|| Bytes::Read(fs::read(PATH).unwrap_or_default()))
    }

    pub fn get(&self) -> &[u8] {
        match self {
            // SAFETY: so many bytes are mapped as long as we are, and nobody writes to them
            Bytes::Mapped(mapping, length) => unsafe { std::slice::from_raw_parts(mapping.bytes(0, *length), *length) },
            Bytes::Read(bytes) => bytes,
        }
    }
}

/// Whether the kernel has types at all.
pub fn is_there() -> bool {
    fs::metadata(PATH).is_ok()
}

/// Nothing is found in bytes that are no types.
pub fn find(bytes: &[u8], names: &HashSet<String>) -> Found {
    find_in(bytes, names).unwrap_or_default()
}

fn find_in(bytes: &[u8], names: &HashSet<String>) -> Option<Found> {
    let types = Types::new(bytes)?;
    let names = Names::new(names.iter().map(|name| name.as_bytes()).collect());
    let (mut found, mut arguments) = (Vec::new(), vec![0]);
    for one in types.iter() {
        let one = one?;
        arguments.push(if one.kind == KIND_FUNC_PROTO { one.members as u32 } else { 0 });
        if matches!(one.kind, KIND_FUNC | KIND_TYPEDEF | KIND_STRUCT) {
            if let Some(name) = names.find(&types, one.name) {
                let prototype = if one.kind == KIND_FUNC { word(one.bytes, 8)? as usize } else { 0 };
                found.push((String::from_utf8_lossy(name).into_owned(), one.id, prototype));
            }
        }
    }
    let arguments = |prototype: usize| arguments.get(prototype).copied().unwrap_or(0);
    Some(found.into_iter().map(|(name, id, of)| (name, Known { id, arguments: arguments(of) })).collect())
}

/// Names to be looked for among a hundred thousand: most are told apart by how they begin.
pub struct Names<'a> {
    all: HashSet<&'a [u8]>,
    beginnings: Vec<bool>,
}

impl<'a> Names<'a> {
    pub fn new(all: HashSet<&'a [u8]>) -> Names<'a> {
        let mut beginnings = vec![false; 1 << 16];
        all.iter().for_each(|name| beginnings[beginning(name)] = true);
        Names { all, beginnings }
    }

    /// The name that stands there, where it is one of those; its ending after `___` apart.
    pub fn find<'b>(&self, types: &Types<'b>, at: usize) -> Option<&'b [u8]> {
        let text = types.strings.get(at..)?;
        if !self.beginnings[beginning(text)] {
            return None;
        }
        let name = essential(types.name(at, LONGEST)?);
        self.all.contains(name).then_some(name)
    }
}

/// A number made of the first three bytes of a text that ends with 0, or with its slice.
fn beginning(text: &[u8]) -> usize {
    let mut number = 0;
    for byte in text.iter().take(3).take_while(|byte| **byte != 0) {
        number = number * 41 + usize::from(*byte);
    }
    number & 0xffff
}

/// A name without what tells several descriptions of the same type apart.
pub fn essential(name: &[u8]) -> &[u8] {
    let end = name.windows(3).position(|at| at == b"___");
    &name[..end.filter(|end| *end > 0).unwrap_or(name.len())]
}

pub fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A description of types: heads with what follows them, and the texts of all names.
pub struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

/// A type's head.
pub struct Type<'a> {
    pub id: u32,
    /// Where its name stands among the texts.
    pub name: usize,
    pub kind: u32,
    /// Of what follows, how many there are.
    pub members: usize,
    /// The head, 12 bytes, and what follows.
    pub bytes: &'a [u8],
}

impl<'a> Types<'a> {
    pub fn new(bytes: &'a [u8]) -> Option<Types<'a>> {
        let header = word(bytes, 4)? as usize;
        let part = |at: usize| Some((header + word(bytes, at)? as usize, word(bytes, at + 4)? as usize));
        let ((types, types_length), (strings, strings_length)) = (part(8)?, part(16)?);
        Some(Types {
            types: bytes.get(types..types + types_length)?,
            strings: bytes.get(strings..strings + strings_length)?,
        })
    }

    /// All, by their ids from 1 on; ends with `None` where one is of a kind that is not known.
    pub fn iter(&self) -> impl Iterator<Item = Option<Type<'a>>> + use<'a> {
        let (types, mut at, mut id) = (self.types, 0, 0);
        std::iter::from_fn(move || {
            if at + 12 > types.len() {
                return None;
            }
            let one = head(types, at, id + 1);
            at = one.as_ref().map_or(types.len(), |one| at + one.bytes.len());
            id += 1;
            Some(one)
        })
    }

    /// `None` where it is longer than `longest`.
    pub fn name(&self, at: usize, longest: usize) -> Option<&'a [u8]> {
        let text = self.strings.get(at..(at + longest + 1).min(self.strings.len()))?;
        Some(&text[..text.iter().position(|byte| *byte == 0)?])
    }
}

fn head(types: &[u8], at: usize, id: u32) -> Option<Type<'_>> {
    let (name, info) = (word(types, at)? as usize, word(types, at + 4)?);
    let (kind, members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
    let bytes = types.get(at..at + 12 + extra(kind, members)?)?;
    Some(Type { id, name, kind, members, bytes })
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
        // a header of 24 bytes; an int, a function, a typedef, the function's arguments; the strings after them
        let strings = b"\0int\0do_exit\0btf_trace_sys_exit\0";
        let types: [u32; 17] = [1, 1 << 24, 4, 32, 5, 12 << 24, 4, 13, 8 << 24, 1, 0, 13 << 24 | 2, 0, 0, 1, 0, 1];
        let mut bytes: Vec<u8> =
            [0x0001_eb9f_u32, 24, 0, 68, 68, strings.len() as u32].iter().flat_map(|w| w.to_ne_bytes()).collect();
        bytes.extend(types.iter().flat_map(|w| w.to_ne_bytes()));
        bytes.extend_from_slice(strings);
        let names = ["do_exit", "btf_trace_sys_exit", "int", "absent"].map(str::to_owned);
        let found = find_in(&bytes, &HashSet::from(names)).expect("well-formed");
        let function = ("do_exit".to_owned(), Known { id: 2, arguments: 2 });
        assert_eq!(found, HashMap::from([function, ("btf_trace_sys_exit".to_owned(), Known { id: 3, arguments: 0 })]));
        // cut anywhere, it is refused or finds less
        for end in 0..bytes.len() {
            assert!(find_in(&bytes[..end], &HashSet::new()).is_none_or(|found| found.is_empty()));
        }
    }
}
