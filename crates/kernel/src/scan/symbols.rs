//! The kernel's symbols by address and by name, from /proc/kallsyms.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::ops::Range;

use crate::error::{Doing, Error, Result};

/// A function of a module is at most so long; what lies further from a symbol has none.
const LONGEST: u64 = 16 << 10;

#[derive(Debug)]
pub struct Symbols {
    text: String,
    /// Address, and where in `text` the kind stands that follows it; by address.
    lines: Vec<(u64, u32)>,
    /// The kernel's own code.
    pub core: Range<u64>,
}

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub name: &'a str,
    pub offset: u64,
    /// A module, one of the kernel's makers of code such as `bpf`, or `system`: the kernel itself.
    pub owner: &'a str,
}

pub const SYSTEM: &str = "system";

/// Whether /proc/kallsyms tells addresses.
pub fn are_told() -> bool {
    let Ok(file) = File::open("/proc/kallsyms") else { return false };
    // the first ones may be offsets of variables that each CPU has, counted from 0
    BufReader::new(file).lines().map_while(std::io::Result::ok).any(|line| line.starts_with(|c| c != '0'))
}

impl Symbols {
    /// # Errors
    /// The file cannot be read, or hides the addresses from us (kernel.kptr_restrict, no CAP_SYSLOG).
    pub fn read() -> Result<Symbols> {
        let text = fs::read("/proc/kallsyms").doing("read /proc/kallsyms")?;
        Symbols::parse(String::from_utf8_lossy(&text).into_owned()).ok_or_else(|| {
            Error::new(
                "read /proc/kallsyms",
                std::io::ErrorKind::PermissionDenied,
                "addresses are hidden (kernel.kptr_restrict)",
            )
        })
    }

    /// `None` where the bounds of the kernel's code are not told.
    fn parse(text: String) -> Option<Symbols> {
        let mut lines = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if let Some((address, _)) = line.split_once(' ') {
                if let Ok(number) = u64::from_str_radix(address, 16) {
                    lines.push((number, (at + address.len() + 1) as u32));
                }
            }
            at += line.len();
        }
        lines.sort_by_key(|(address, _)| *address);
        let mut symbols = Symbols { text, lines, core: 0..0 };
        symbols.core = symbols.address("_stext")?..symbols.address("_etext")?;
        (symbols.core.start != 0 && symbols.core.start < symbols.core.end).then_some(symbols)
    }

    /// A symbol's name and owner.
    fn line(&self, at: u32) -> (&str, &str) {
        let rest = &self.text[at as usize..];
        let line = rest.split('\n').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace().skip(1);
        let name = words.next().unwrap_or_default();
        (name, words.next().map_or(SYSTEM, |owner| owner.trim_matches(['[', ']'])))
    }

    /// All symbols: address, name, owner.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str, &str)> {
        self.lines.iter().map(|(address, at)| {
            let (name, owner) = self.line(*at);
            (*address, name, owner)
        })
    }

    /// The address of a symbol of the kernel itself.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.iter().find(|(_, other, owner)| *other == name && *owner == SYSTEM).map(|(address, ..)| address)
    }

    /// The address of the next symbol.
    pub fn after(&self, address: u64) -> Option<u64> {
        let after = self.lines.partition_point(|(other, _)| *other <= address);
        self.lines.get(after).map(|(next, _)| *next)
    }

    /// All names of exactly this address.
    pub fn names(&self, address: u64) -> impl Iterator<Item = &str> {
        let first = self.lines.partition_point(|(other, _)| *other < address);
        self.lines[first..].iter().take_while(move |(other, _)| *other == address).map(|(_, at)| self.line(*at).0)
    }

    /// What an address of code belongs to; `None` for memory that no symbol is known of.
    pub fn place(&self, address: u64) -> Option<Place<'_>> {
        let after = self.lines.partition_point(|(other, _)| *other <= address);
        let nearest = self.lines[..after].last()?.0;
        let first = self.lines.partition_point(|(other, _)| *other < nearest);
        let (name, owner) = self.line(self.lines[first].1);
        let offset = address - nearest;
        let known = if owner == SYSTEM { self.core.contains(&address) } else { offset < LONGEST };
        known.then_some(Place { name, offset, owner })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ffffffff81000000 T _stext\n\
        ffffffff81000000 T _text\n\
        ffffffff81001000 t __x64_sys_kill\n\
        ffffffff82000000 T _etext\n\
        ffffffff82800000 D sys_call_table\n\
        ffffffffc0001000 t hook_kill\t[rooty]\n\
        ffffffffc0000000 t bpf_trampoline_12\t[bpf]\n";

    #[test]
    fn tells_what_an_address_belongs_to() {
        let symbols = Symbols::parse(TEXT.into()).expect("the bounds are there");
        assert_eq!(symbols.core, 0xffff_ffff_8100_0000..0xffff_ffff_8200_0000);
        let place = |address| symbols.place(address).map(|p| (p.name, p.offset, p.owner));
        assert_eq!(place(0xffff_ffff_8100_1004), Some(("__x64_sys_kill", 4, SYSTEM)));
        assert_eq!(place(0xffff_ffff_c000_1010), Some(("hook_kill", 16, "rooty")));
        assert_eq!(place(0xffff_ffff_c000_0000), Some(("bpf_trampoline_12", 0, "bpf")));
        assert_eq!(place(0xffff_ffff_c001_0000), None, "far from the last symbol");
        assert_eq!(place(0xffff_ffff_8280_0008), None, "data");
        assert_eq!(place(0x1000), None, "before all");
        assert_eq!(symbols.names(0xffff_ffff_8100_0000).collect::<Vec<_>>(), ["_stext", "_text"]);
        assert_eq!(symbols.after(0xffff_ffff_8100_0000), Some(0xffff_ffff_8100_1000));
        assert_eq!(symbols.address("hook_kill"), None, "not the kernel's own");
    }

    #[test]
    fn refuses_hidden_addresses() {
        let hidden = "0000000000000000 T _stext\n0000000000000000 T _etext\n";
        assert!(Symbols::parse(hidden.into()).is_none());
    }
}
