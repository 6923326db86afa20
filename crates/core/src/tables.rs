//! The values that scopes and fields are compared with, as the kernel side looks them up (`bpf/include/match.h`): by
//! the number of a key, each with the slots that name it.

use std::collections::BTreeMap;

use crate::pattern::{Pattern, Shape};

/// `TEXT_MAX` of the kernel side: longer texts are left to user space.
pub const TEXT_MAX: usize = 240;
/// Entries of each of the kernel side's maps that one plan may fill.
pub const MAX_ENTRIES: usize = 8192;

/// `struct verdict`: the slots that name a value with `=`, and with `!=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    pub yes: u64,
    pub no: u64,
}

impl Verdict {
    pub fn add(&mut self, slot: usize, negative: bool) {
        *(if negative { &mut self.no } else { &mut self.yes }) |= 1 << slot;
    }

    fn join(&mut self, other: Verdict) {
        self.yes |= other.yes;
        self.no |= other.no;
    }
}

/// `struct text_scope`
#[derive(Debug, Clone, Copy, Default)]
pub struct TextTest {
    pub used: u64,
    pub positive: u64,
    /// Slots that compare with something that only user space can test.
    pub undecided: u64,
    /// Slots that compare with such values, each looked up in a map of its own.
    pub exact: u64,
    pub prefix: u64,
    pub suffix: u64,
}

/// A text and the key it is compared with.
pub type TextKey = (u32, Vec<u8>);

/// All values of a plan.
#[derive(Debug, Default)]
pub struct Tables {
    pub numbers: BTreeMap<(u32, u64), Verdict>,
    pub exact: BTreeMap<TextKey, Verdict>,
    pub prefixes: BTreeMap<TextKey, Verdict>,
    /// Reversed.
    pub suffixes: BTreeMap<TextKey, Verdict>,
}

impl Tables {
    /// Takes a number that `key` is compared with; false where the table is full.
    #[must_use]
    pub fn add_number(&mut self, key: u32, value: u64, slot: usize, negative: bool) -> bool {
        let room = self.numbers.len() < MAX_ENTRIES || self.numbers.contains_key(&(key, value));
        if room {
            self.numbers.entry((key, value)).or_default().add(slot, negative);
        }
        room
    }

    /// Takes a pattern that `key` is compared with, or marks it as one that the kernel cannot test.
    pub fn add_text(&mut self, key: u32, test: &mut TextTest, pattern: &Pattern, slot: usize, negative: bool) {
        let bit = 1 << slot;
        test.used |= bit;
        test.positive |= if negative { 0 } else { bit };
        let (map, slots, text) = match pattern.shape() {
            Shape::Exact(text) => (&mut self.exact, &mut test.exact, text.to_vec()),
            Shape::Prefix(text) => (&mut self.prefixes, &mut test.prefix, text.to_vec()),
            Shape::Suffix(text) => (&mut self.suffixes, &mut test.suffix, text.iter().rev().copied().collect()),
            Shape::Other => {
                test.undecided |= bit;
                return;
            }
        };
        let entry = (key, text);
        if entry.1.len() >= TEXT_MAX || (map.len() >= MAX_ENTRIES && !map.contains_key(&entry)) {
            test.undecided |= bit;
            return;
        }
        *slots |= bit;
        map.entry(entry).or_default().add(slot, negative);
    }

    /// Call when all is added: a trie finds the longest text only, so that one speaks for the shorter ones too.
    pub fn finish(&mut self) {
        for map in [&mut self.prefixes, &mut self.suffixes] {
            let own = map.clone();
            for ((key, text), verdict) in map.iter_mut() {
                for length in 0..text.len() {
                    if let Some(shorter) = own.get(&(*key, text[..length].to_vec())) {
                        verdict.join(*shorter);
                    }
                }
            }
        }
    }
}

/// How the kernel side numbers keys, see `bpf/include/match.h`: those of scopes, for each bank, then those of fields.
pub const BANKS: u32 = 2;
const SCOPE_KEYS: u32 = 16;
/// `MAX_FIELDS`: of one plan.
pub const MAX_FIELDS: usize = 1024;
/// `MAX_RANGES`: of one plan.
pub const MAX_RANGES: usize = 4096;
/// In [`Tables`], keys from here on are those of fields.
const FIELDS: u32 = 1 << 16;

/// The key of field `index` in [`Tables`].
pub fn field_key(index: usize) -> u32 {
    FIELDS + index as u32
}

/// A key of [`Tables`] as the kernel side knows it, for the plan of a bank.
pub fn kernel_key(key: u32, bank: u32) -> u32 {
    match key.checked_sub(FIELDS) {
        None => bank * SCOPE_KEYS + key,
        Some(index) => BANKS * SCOPE_KEYS + bank * MAX_FIELDS as u32 + index,
    }
}
