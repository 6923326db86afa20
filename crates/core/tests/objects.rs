//! What shared objects export, also of files that were made to do harm.

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use tracee_core::elf::{exports, Exports, LONGEST_NAME, MOST_TEXT};

/// Which kind of object is made.
#[derive(Debug, Clone, Copy)]
struct Form {
    wide: bool,
    big: bool,
    gnu_hash: bool,
}

/// A symbol: name, binding << 4 | type, visibility, section, value.
type Symbol<'a> = (&'a str, u8, u8, u16, u64);

const GLOBAL: u8 = 0x12;
const WEAK: u8 = 0x22;
const UNIQUE: u8 = 0xa1;
/// Addresses are so much more than offsets.
const BASE: u64 = 0x1000;

struct Writer {
    form: Form,
    bytes: Vec<u8>,
}

impl Writer {
    /// A number of so many bytes; 0: as wide as addresses.
    fn put(&mut self, number: u64, size: usize) {
        let size = if size != 0 { size } else { self.word() };
        let little = number.to_le_bytes();
        let part = little[..size].iter();
        if self.form.big {
            self.bytes.extend(part.rev());
        } else {
            self.bytes.extend(part);
        }
    }

    fn word(&self) -> usize {
        if self.form.wide {
            8
        } else {
            4
        }
    }

    fn header(&mut self, kind: u64, offset: u64, size: u64) {
        self.put(kind, 4);
        if self.form.wide {
            self.put(5, 4);
        }
        for number in [offset, offset + BASE, offset + BASE, size, size] {
            self.put(number, 0);
        }
        if !self.form.wide {
            self.put(5, 4);
        }
        self.put(0x1000, 0);
    }

    fn symbol(&mut self, name: u64, symbol: &Symbol) {
        let (_, info, other, section, value) = *symbol;
        self.put(name, 4);
        if !self.form.wide {
            self.put(value, 4);
            self.put(0, 4);
        }
        self.put(info.into(), 1);
        self.put(other.into(), 1);
        self.put(section.into(), 2);
        if self.form.wide {
            self.put(value, 8);
            self.put(0, 8);
        }
    }

    fn hash(&mut self, symbols: u64) {
        if self.form.gnu_hash {
            // one bucket, whose chain has them all
            for number in [1, 1, 1, 0] {
                self.put(number, 4);
            }
            self.put(u64::MAX, 0);
            self.put(1, 4);
            (1..=symbols).for_each(|symbol| self.put(u64::from(symbol == symbols), 4));
        } else {
            for number in [1, symbols + 1, 1] {
                self.put(number, 4);
            }
            (0..=symbols).for_each(|symbol| self.put(if symbol == symbols { 0 } else { symbol + 1 }, 4));
        }
    }
}

/// The smallest object that has these symbols, without section headers.
fn object(form: Form, symbols: &[Symbol]) -> Vec<u8> {
    let mut to =
        Writer { form, bytes: vec![0x7f, b'E', b'L', b'F', 1 + u8::from(form.wide), 1 + u8::from(form.big), 1] };
    to.bytes.resize(16, 0);
    let (header, entry, word) = if form.wide { (64, 56, 8) } else { (52, 32, 4) };
    let count = symbols.len() as u64;
    let dynamic = header + 2 * entry;
    let hash = dynamic + 4 * 2 * word;
    let hash_size = if form.gnu_hash { 20 + word + 4 * count } else { 12 + 4 * (count + 1) };
    let table = hash + hash_size;
    let strings = table + (count + 1) * if form.wide { 24 } else { 16 };
    let size = strings + 1 + symbols.iter().map(|symbol| symbol.0.len() as u64 + 1).sum::<u64>();

    for (number, width) in [(3, 2), (0x3e, 2), (1, 4), (0, 0), (header, 0), (0, 0), (0, 4)] {
        to.put(number, width);
    }
    for number in [header, entry, 2, 0, 0, 0] {
        to.put(number, 2);
    }
    to.header(1, 0, size);
    to.header(2, dynamic, 4 * 2 * word);
    let kind = if form.gnu_hash { 0x6fff_fef5 } else { 4 };
    for (tag, value) in [(kind, hash + BASE), (6, table + BASE), (5, strings + BASE), (0, 0)] {
        to.put(tag, 0);
        to.put(value, 0);
    }
    to.hash(count);
    to.symbol(0, &("", 0, 0, 0, 0));
    let mut name = 1;
    for symbol in symbols {
        to.symbol(name, symbol);
        name += symbol.0.len() as u64 + 1;
    }
    to.bytes.push(0);
    for symbol in symbols {
        to.bytes.extend(symbol.0.bytes().chain([0]));
    }
    assert_eq!(to.bytes.len() as u64, size);
    to.bytes
}

fn forms() -> impl Iterator<Item = Form> {
    (0..8).map(|bits| Form { wide: bits & 1 != 0, big: bits & 2 != 0, gnu_hash: bits & 4 != 0 })
}

fn names(exports: &Exports) -> Vec<(&str, bool)> {
    exports.iter().map(|export| (std::str::from_utf8(export.name).expect("text"), export.shared)).collect()
}

const SYMBOLS: [Symbol; 9] = [
    ("getenv", GLOBAL, 0, 7, 0x1000),
    ("malloc", WEAK, 0, 7, 0x1010),
    ("_ZN1aE", UNIQUE, 0, 7, 0x1020),
    ("guarded", GLOBAL, 3, 7, 0x1030),
    ("hidden", GLOBAL, 2, 7, 0x1040),
    ("local", 0x02, 0, 7, 0x1050),
    ("missing", GLOBAL, 0, 0, 0),
    ("VERSION_1", 0x11, 0, 0xfff1, 0),
    ("getenv", GLOBAL, 0, 7, 0x1060),
];

#[test]
fn exported_names_are_read_of_objects_of_every_form() {
    for form in forms() {
        let found = exports(Cursor::new(object(form, &SYMBOLS))).expect("an object");
        assert_eq!(
            names(&found),
            [("_ZN1aE", true), ("getenv", false), ("guarded", false), ("malloc", true)],
            "{form:?}"
        );
        assert!(!found.cut);
        let empty = exports(Cursor::new(object(form, &[]))).expect("an object");
        assert_eq!(names(&empty), [], "{form:?}");
    }
}

#[test]
fn names_in_common_are_shared_where_both_say_so() {
    let form = Form { wide: true, big: false, gnu_hash: true };
    let one = exports(Cursor::new(object(form, &SYMBOLS))).expect("an object");
    let others = [("malloc", WEAK, 0, 1, 1), ("_ZN1aE", GLOBAL, 0, 1, 1), ("free", GLOBAL, 0, 1, 1)];
    let other = exports(Cursor::new(object(form, &others))).expect("an object");
    let common: Vec<_> = one.common(&other).map(|export| (export.name, export.shared)).collect();
    assert_eq!(common, [(&b"_ZN1aE"[..], false), (b"malloc", true)]);
}

#[test]
fn what_is_no_object_is_refused_with_a_reason() {
    for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01 and nothing else", b"\x7fELF\x09\x01\x01"]
    {
        assert!(exports(Cursor::new(bytes)).is_err());
    }
    for form in forms() {
        let whole = object(form, &SYMBOLS);
        for end in 0..whole.len() {
            // cut anywhere, it has fewer names or none
            if let Ok(found) = exports(Cursor::new(&whole[..end])) {
                assert!(found.iter().count() <= 4);
            }
        }
    }
}

/// Names that lie in each other would be a thousand times the file.
#[test]
fn names_that_overlap_are_bounded() {
    let form = Form { wide: true, big: false, gnu_hash: false };
    let long = "x".repeat(LONGEST_NAME - 1);
    let symbols: Vec<Symbol> = (0..10_000).map(|_| ("", GLOBAL, 0, 7, 1)).chain([(&*long, GLOBAL, 0, 7, 1)]).collect();
    let mut bytes = object(form, &symbols);
    // every symbol's name begins in the long one
    let table = bytes.len() - (long.len() + 1) - 10_000 - 1 - 24 * symbols.len();
    for index in 0..10_000_u32 {
        let at = table + 24 * index as usize;
        bytes[at..at + 4].copy_from_slice(&(10_001 + index % 2000).to_le_bytes());
    }
    let found = exports(Cursor::new(bytes)).expect("an object");
    assert!(found.cut);
    assert!(found.iter().map(|export| export.name.len()).sum::<usize>() <= MOST_TEXT);
    assert!(found.iter().count() > 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn objects_with_any_bytes_changed_do_no_harm(
        form in 0..8_usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        words in vec((any::<prop::sample::Index>(), prop_oneof![Just(0_u32), Just(u32::MAX), Just(0x8000_0000_u32), any::<u32>()]), 0..3),
        cut in 0..200_usize,
    ) {
        let form = forms().nth(form).expect("eight");
        let mut bytes = object(form, &SYMBOLS);
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        for (at, word) in &words {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes.truncate(bytes.len() - cut.saturating_sub(100).min(bytes.len()));
        if let Ok(found) = exports(Cursor::new(&bytes)) {
            let all: Vec<&[u8]> = found.iter().map(|export| export.name).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(all.iter().all(|name| !name.is_empty() && name.len() < LONGEST_NAME && !name.contains(&0)));
            prop_assert_eq!(found.common(&found).count(), all.len());
        }
    }

    #[test]
    fn common_names_are_those_of_both_sets(one in vec("[ab]{1,3}", 0..12), other in vec("[ab]{1,3}", 0..12), weak: bool) {
        let form = Form { wide: true, big: false, gnu_hash: true };
        let made = |names: &[String]| {
            let kind = if weak { WEAK } else { GLOBAL };
            let symbols: Vec<Symbol> = names.iter().map(|name| (name.as_str(), kind, 0, 7, 1)).collect();
            exports(Cursor::new(object(form, &symbols))).expect("an object")
        };
        let set = |names: &[String]| names.iter().map(|name| (name.clone(), ())).collect::<BTreeMap<_, _>>();
        let (sets, made) = ((set(&one), set(&other)), (made(&one), made(&other)));
        let expected: Vec<(&str, bool)> =
            sets.0.keys().filter(|name| sets.1.contains_key(*name)).map(|name| (name.as_str(), weak)).collect();
        let common: Vec<(&str, bool)> = made.0.common(&made.1)
            .map(|export| (std::str::from_utf8(export.name).expect("text"), export.shared)).collect();
        prop_assert_eq!(common, expected);
    }
}
