//! The kernel's table of the names of files that it has cached. `bpf/include/lookup.h` looks names up in it as the kernel
//! does, which is as quick in a folder of a million names as in an empty one.
//!
//! No symbol tells where it stands. But every cached name points back at what points at it: the one before it in its place,
//! or the place itself, where it is the newest there. So we have the kernel cache some, and see whether a table explains
//! where they are.

use std::collections::HashMap;
use std::fs::File;
use std::ops::RangeInclusive;

use crate::scan::peek::{offset, Peek};

/// Where files are that nobody has looked at before, since their process is ours.
const FRESH: &str = "/proc/self/attr /proc/self/autogroup /proc/self/auxv /proc/self/cgroup /proc/self/cmdline \
    /proc/self/comm /proc/self/environ /proc/self/io /proc/self/limits /proc/self/loginuid /proc/self/maps \
    /proc/self/mountinfo /proc/self/mounts /proc/self/mountstats /proc/self/oom_adj /proc/self/oom_score \
    /proc/self/oom_score_adj /proc/self/personality /proc/self/sched /proc/self/sessionid /proc/self/smaps \
    /proc/self/stat /proc/self/statm /proc/self/status /proc/self/wchan";
/// So many names must agree.
const QUORUM: usize = 6;
/// Tables have from 2^6 to 2^30 places.
const SHIFTS: RangeInclusive<u32> = 2..=26;
/// The kernel aligns it to pages.
const PAGE: u64 = 4096;
/// `HASH_MULTIPLIER`
const MULTIPLIER: u64 = 0x61c8_8646_80b5_83eb;

/// A name of a hash stands at `address + 8 * (hash >> shift)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameTable {
    pub address: u64,
    pub shift: u32,
}

/// A name as the kernel keeps it.
struct Sample {
    /// What points at it.
    pointer: u64,
    hash: u32,
    parent: u64,
    text: Vec<u8>,
}

impl Sample {
    /// The name of an open file. `None` where this kernel keeps names otherwise, or has unlinked this one.
    fn of(peek: &Peek, file: &File) -> Option<Sample> {
        let layout = &peek.layout;
        let dentry = peek.word(peek.file(file)? + offset(layout.file_dentry)?)?;
        let name = dentry + offset(layout.dentry_name)?;
        let hash_len = peek.word(name + offset(layout.name_hash)?)?;
        let text = peek.word(name + offset(layout.name_text)?)?;
        let sample = Sample {
            pointer: peek.word(dentry + offset(layout.dentry_hash)? + 8)?,
            hash: hash_len as u32,
            parent: peek.word(dentry + offset(layout.dentry_parent)?)?,
            text: peek.bytes(text, (hash_len >> 32) as usize)?,
        };
        (sample.pointer != 0).then_some(sample)
    }

    /// The table that it would be the newest of its place in.
    fn table(&self, shift: u32) -> NameTable {
        NameTable { address: self.pointer.wrapping_sub(8 * u64::from(self.hash >> shift)), shift }
    }

    /// The hash that the programs reckon; it must be the kernel's.
    fn reckoned(&self) -> u32 {
        let (mut x, mut y) = (0, self.parent);
        let mut words = self.text.chunks_exact(8);
        for word in words.by_ref() {
            x ^= word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
            y ^= x;
            x = x.rotate_left(12).wrapping_add(y);
            y = y.rotate_left(45).wrapping_mul(9);
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        y ^= (x ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
        (y.wrapping_mul(MULTIPLIER) >> 32) as u32
    }
}

/// Finds the table; `None` where this kernel has it otherwise: then folders have to be gone through.
pub fn find(peek: &Peek) -> Option<NameTable> {
    let files: Vec<File> = FRESH.split_whitespace().filter_map(|path| File::open(path).ok()).collect();
    let samples = files.iter().filter_map(|file| Sample::of(peek, file));
    let samples: Vec<Sample> = samples.filter(|sample| sample.reckoned() == sample.hash).collect();
    agreed(&samples)
}

fn agreed(samples: &[Sample]) -> Option<NameTable> {
    let mut votes: HashMap<NameTable, usize> = HashMap::new();
    let tables = SHIFTS.flat_map(|shift| samples.iter().map(move |sample| sample.table(shift)));
    tables.filter(|table| table.address % PAGE == 0).for_each(|table| *votes.entry(table).or_default() += 1);
    let (table, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    (count >= QUORUM).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: NameTable = NameTable { address: 0xffff_8880_1234_5000, shift: 11 };

    fn sample(hash: u32) -> Sample {
        let pointer = TABLE.address + 8 * u64::from(hash >> TABLE.shift);
        Sample { pointer, hash, parent: 0, text: Vec::new() }
    }

    #[test]
    fn a_table_that_most_agree_on() {
        let mut samples: Vec<Sample> = (1..=8u32).map(|n| sample(n.wrapping_mul(0x9e37_79b9))).collect();
        assert_eq!(agreed(&samples), Some(TABLE));
        // names that are not the newest of their places
        samples.iter_mut().take(2).for_each(|sample| sample.pointer = 0xffff_8881_0000_0010);
        assert_eq!(agreed(&samples), Some(TABLE));
        samples.iter_mut().take(3).for_each(|sample| sample.pointer = 0xffff_8881_0000_0010);
        assert_eq!(agreed(&samples), None);
        assert_eq!(agreed(&[]), None);
    }
}
