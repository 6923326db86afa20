//! The kernel's types without what the programs do not speak of. libbpf looks for each type of the programs among all of
//! the kernel's, by name; that would be most of the start. A type keeps those that it contains; what it points at is left
//! out, since nothing is compared there. Ids are others than the kernel's.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd};

use crate::btf::{essential, word, Names, Type, Types, KIND_STRUCT, KIND_TYPEDEF};
use crate::error::{Doing, Result};

const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_ENUM64: u32 = 19;
const HEADER: usize = 24;
/// No name of the programs is longer.
const LONGEST: usize = 128;

/// The kernel's types that a BPF object names, in a file that libbpf can read.
///
/// # Errors
/// There is no room for it.
pub fn file(kernel: &[u8], object: &[u8]) -> Result<Option<File>> {
    let Some(bytes) = reduce(kernel, object) else { return Ok(None) };
    // SAFETY: makes a descriptor
    let fd = unsafe { libc::memfd_create(c"tracee_types".as_ptr(), libc::MFD_CLOEXEC) };
    let fd = if fd < 0 { Err(std::io::Error::last_os_error()) } else { Ok(fd) };
    // SAFETY: a descriptor that nobody else owns
    let mut file = unsafe { File::from_raw_fd(fd.doing("make a file in memory")?) };
    file.write_all(&bytes).and_then(|()| file.rewind()).doing("write to a file in memory")?;
    Ok(Some(file))
}

/// Where others find the file.
pub fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// `None` where the kernel's types or the object's are in another form than we know.
fn reduce(kernel: &[u8], object: &[u8]) -> Option<Vec<u8>> {
    let names = names(section(object, b".BTF")?)?;
    let types = Types::new(kernel)?;
    let all = types.iter().collect::<Option<Vec<Type>>>()?;
    let is_wanted = |one: &&Type| is_named(one.kind) && names.find(&types, one.name).is_some();
    Kept::new(&all, all.iter().filter(is_wanted).map(|one| one.id))?.write(&types).into()
}

/// Kinds that a program may name.
fn is_named(kind: u32) -> bool {
    matches!(kind, KIND_STRUCT | KIND_UNION | KIND_ENUM | KIND_ENUM64 | KIND_TYPEDEF)
}

fn names(object: &[u8]) -> Option<Names<'_>> {
    let types = Types::new(object)?;
    let named = types.iter().flatten().filter(|one| is_named(one.kind));
    Some(Names::new(named.filter_map(|one| types.name(one.name, LONGEST)).map(essential).collect()))
}

/// Where the ids of the types stand that one contains.
fn places(one: &Type) -> Vec<usize> {
    match one.kind {
        KIND_ARRAY => vec![12, 16],
        KIND_STRUCT | KIND_UNION => (0..one.members).map(|member| 12 + 12 * member + 4).collect(),
        KIND_TYPEDEF | 9..=11 | 18 => vec![8], // and CONST, VOLATILE, RESTRICT, TYPE_TAG
        _ => Vec::new(),
    }
}

struct Kept<'a> {
    types: &'a [Type<'a>],
    /// By the kernel's id: ours.
    ids: HashMap<u32, u32>,
    order: Vec<u32>,
}

impl<'a> Kept<'a> {
    /// Those of `ids`, and what they contain.
    fn new(types: &'a [Type<'a>], ids: impl Iterator<Item = u32>) -> Option<Kept<'a>> {
        let mut kept = Kept { types, ids: HashMap::new(), order: Vec::new() };
        ids.for_each(|id| kept.add(id));
        let mut next = 0;
        while let Some(id) = kept.order.get(next) {
            let one = &types[*id as usize - 1];
            for place in places(one) {
                kept.add(word(one.bytes, place)?);
            }
            next += 1;
        }
        Some(kept)
    }

    /// Types of other kinds, such as functions, are left out.
    fn add(&mut self, id: u32) {
        let Some(one) = self.types.get(id.wrapping_sub(1) as usize) else { return };
        let wanted = is_named(one.kind) || matches!(one.kind, 1..=3 | 9..=11 | 16 | 18);
        if wanted && !self.ids.contains_key(&id) {
            self.order.push(id);
            self.ids.insert(id, self.order.len() as u32);
        }
    }

    fn write(&self, types: &Types) -> Vec<u8> {
        let mut text = Texts { bytes: vec![0], places: HashMap::from([(0, 0)]) };
        let mut heads = Vec::new();
        for id in &self.order {
            let one = &self.types[*id as usize - 1];
            let mut bytes = one.bytes.to_vec();
            let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            let name_of = |at: usize| word(one.bytes, at).unwrap_or(0);
            put(0, text.place(types, name_of(0)));
            if one.kind == KIND_PTR {
                put(8, 0);
            }
            for place in places(one) {
                put(place, self.ids.get(&name_of(place)).copied().unwrap_or(0));
            }
            let width = match one.kind {
                KIND_STRUCT | KIND_UNION | KIND_ENUM64 => 12,
                KIND_ENUM => 8,
                _ => 0,
            };
            for at in (0..one.members).filter(|_| width > 0).map(|member| 12 + width * member) {
                put(at, text.place(types, name_of(at)));
            }
            heads.extend(bytes);
        }
        let (heads_length, text_length) = (heads.len() as u32, text.bytes.len() as u32);
        let header = [0x0001_eb9f, HEADER as u32, 0, heads_length, heads_length, text_length];
        [header.iter().flat_map(|word| word.to_ne_bytes()).collect(), heads, text.bytes].concat()
    }
}

/// The texts that are kept, and where they stood.
struct Texts {
    bytes: Vec<u8>,
    places: HashMap<u32, u32>,
}

impl Texts {
    fn place(&mut self, types: &Types, at: u32) -> u32 {
        let bytes = &mut self.bytes;
        *self.places.entry(at).or_insert_with(|| {
            let place = bytes.len() as u32;
            bytes.extend(types.name(at as usize, usize::from(u16::MAX)).unwrap_or_default());
            bytes.push(0);
            place
        })
    }
}

/// The bytes of a section of an object file: 64 bits, the least significant byte first.
fn section<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*object.get(at..)?.first_chunk()?)));
    let long = |at: usize| Some(u64::from_le_bytes(*object.get(at..)?.first_chunk()?) as usize);
    let (table, size, count, names) = (long(0x28)?, half(0x3a)?, half(0x3c)?, half(0x3e)?);
    let bytes = |number: usize| {
        let at = table + number * size;
        let from = long(at + 0x18)?;
        object.get(from..from + long(at + 0x20)?)
    };
    let texts = bytes(names)?;
    let is_it = |number: &usize| {
        let text = word(object, table + number * size).and_then(|at| texts.get(at as usize..));
        text.is_some_and(|text| text.starts_with(name) && text.get(name.len()) == Some(&0))
    };
    bytes((0..count).find(is_it)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// struct a { struct b *p; struct c x[2]; }, struct b, struct c { int i; }; of which only `a` is named.
    fn kernel() -> Vec<u8> {
        let strings = b"\0int\0a\0b\0c\0p\0x\0i\0";
        let (structure, pointer) = (4 << 24, 2 << 24);
        let types: Vec<u32> = [
            vec![1, 1 << 24, 4, 32],                         // 1: int
            vec![7, structure | 1, 4, 15, 1, 0],             // 2: b
            vec![0, pointer, 2],                             // 3: b *
            vec![9, structure | 1, 4, 15, 1, 0],             // 4: c
            vec![0, 3 << 24, 0, 4, 1, 2],                    // 5: c[2]
            vec![5, structure | 2, 16, 11, 3, 0, 13, 5, 64], // 6: a
        ]
        .concat();
        let length = types.len() as u32 * 4;
        let header = [0x0001_eb9f, 24, 0, length, length, strings.len() as u32];
        let mut bytes: Vec<u8> = header.iter().chain(&types).flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend_from_slice(strings);
        bytes
    }

    #[test]
    fn keeps_what_is_named_and_what_that_contains() {
        let kernel = kernel();
        let types = Types::new(&kernel).expect("types");
        let heads: Vec<Type> = types.iter().collect::<Option<_>>().expect("known kinds");
        let written = Kept::new(&heads, [6].into_iter()).expect("whole types").write(&types);
        let reduced = Types::new(&written).expect("types");
        let names: Vec<&[u8]> = reduced.iter().flatten().filter_map(|one| reduced.name(one.name, 9)).collect();
        assert_eq!(names, [&b"a"[..], b"", b"", b"c", b"int"]);
        let pointer = reduced.iter().flatten().find(|one| one.kind == KIND_PTR).expect("the pointer");
        assert_eq!(word(pointer.bytes, 8), Some(0));
    }

    #[test]
    fn names_lose_their_ending() {
        assert_eq!(essential(b"inode___v5"), b"inode");
        assert_eq!(essential(b"___x"), b"___x");
        assert_eq!(essential(b"task_struct"), b"task_struct");
    }
}
