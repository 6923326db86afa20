//! Numbers by name, and back: flags, commands, signals, errors.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::catalogue::{family, nearest_hint, Arg, Family, FamilyKind, Names, FAMILIES};

/// A family as it is printed: numbers looked up, flags in the order they are tried.
struct Printer {
    exact: FxHashMap<i64, &'static str>,
    /// Most bits first, so that O_SYNC goes before the O_DSYNC it contains.
    bits: Vec<(u64, &'static str)>,
}

fn printer(index: u16) -> &'static Printer {
    static PRINTERS: OnceLock<Vec<Printer>> = OnceLock::new();
    let all = PRINTERS.get_or_init(|| FAMILIES.iter().map(Printer::new).collect());
    &all[usize::from(index)]
}

impl Printer {
    fn new(family: &'static Family) -> Printer {
        let mut exact = FxHashMap::default();
        let mut bits = Vec::new();
        let number = if family.kind == FamilyKind::Mixed { family.mask.unwrap_or(0) } else { 0 };
        for (name, value, second) in family.values {
            if *second {
                continue;
            }
            exact.entry(*value).or_insert(*name);
            let value = *value as u64;
            if family.kind != FamilyKind::Enum && value & !number != 0 {
                bits.push((value, *name));
            }
        }
        bits.sort_by_key(|(value, _)| (std::cmp::Reverse(value.count_ones()), *value));
        Printer { exact, bits }
    }
}

/// Appends the capabilities of a set: `CAP_NET_ADMIN|CAP_SYS_PTRACE`; `all` of those that have a name, or `none`.
pub fn write_capabilities(out: &mut Vec<u8>, set: u64) {
    let known = FAMILIES[usize::from(family::CAPABILITY)].values;
    let all = known.iter().fold(0, |all, (_, bit, _)| all | 1 << bit);
    if set == 0 || set & all == all {
        out.extend_from_slice(if set == 0 { b"none" } else { b"all" });
        return;
    }
    for (i, bit) in (0..64).filter(|bit| set >> bit & 1 != 0).enumerate() {
        out.extend_from_slice(if i == 0 { b"" } else { b"|" });
        write(out, family::CAPABILITY, bit);
    }
}

/// The family that names this argument's values; `other` gives the value of another argument of the event.
pub fn family_of(arg: &Arg, other: impl Fn(usize) -> i64) -> Option<u16> {
    match &arg.names {
        Names::None => None,
        Names::Family(index) => Some(*index),
        Names::By { arg, of, cases } => {
            let name = printer(*of).exact.get(&other(usize::from(*arg)))?;
            cases.iter().find(|(case, _)| case == name).map(|(_, family)| *family)
        }
    }
}

/// Appends `value` by the names of a family: `O_WRONLY|O_CREAT`, `SIGTERM`, `S_IFREG|0644`. What has no name is a number.
pub fn write(out: &mut Vec<u8>, index: u16, value: i64) {
    if index == family::INODE_MODE {
        return mode(out, value as u64);
    }
    let info = &FAMILIES[usize::from(index)];
    let names = printer(index);
    let start = out.len();
    if info.kind == FamilyKind::Enum {
        match names.exact.get(&(value & info.mask.map_or(-1, |m| m as i64))) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        }
        return;
    }
    if let Some(name) = names.exact.get(&value).filter(|_| value == 0 || info.kind == FamilyKind::Bits) {
        out.extend_from_slice(name.as_bytes());
        return;
    }
    let mut rest = value as u64;
    if index == family::MOUNT_FLAGS && rest & 0xffff_0000 == 0xc0ed_0000 {
        rest &= 0xffff; // MS_MGC_VAL: a magic number that old programs still pass
    }
    if info.kind == FamilyKind::Mixed {
        let mask = info.mask.unwrap_or(0);
        let number = (rest & mask) as i64;
        rest &= !mask;
        if index == family::CLONE_FLAGS {
            // the signal that the parent gets
            if number != 0 {
                write(out, family::SIGNAL, number);
            }
        } else if let Some(name) = names.exact.get(&number) {
            out.extend_from_slice(name.as_bytes());
        } else if number != 0 {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
    }
    for (bits, name) in &names.bits {
        if rest & bits == *bits {
            rest &= !bits;
            separate(out, start);
            out.extend_from_slice(name.as_bytes());
        }
    }
    if rest != 0 || out.len() == start {
        separate(out, start);
        let text = if rest == 0 { "0".to_owned() } else { format!("{rest:#x}") };
        out.extend_from_slice(text.as_bytes());
    }
}

fn separate(out: &mut Vec<u8>, start: usize) {
    if out.len() > start {
        out.push(b'|');
    }
}

/// A file mode: its type by name, its permissions in octal, as everybody writes them.
fn mode(out: &mut Vec<u8>, value: u64) {
    if value & 0o170_000 != 0 {
        write(out, family::INODE_TYPE, (value & 0o170_000) as i64);
        out.push(b'|');
    }
    out.extend_from_slice(format!("{:#05o}", value & 0o7777).replace("0o", "0").as_bytes());
}

/// Appends a return value: an error by its name, `-ENOENT`.
pub fn write_return(out: &mut Vec<u8>, value: i64) {
    match printer(family::ERRNO).exact.get(&-value).filter(|_| (-4095..0).contains(&value)) {
        Some(name) => {
            out.push(b'-');
            out.extend_from_slice(name.as_bytes());
        }
        None => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
    }
}

/// A number as people write it: decimal, 0x hexadecimal, 0 or 0o octal, with a sign.
pub fn number(word: &str) -> Option<i128> {
    let (negative, digits) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16)
    } else if let Some(octal) = digits.strip_prefix("0o").or_else(|| digits.strip_prefix('0').filter(|d| !d.is_empty()))
    {
        u64::from_str_radix(octal, 8)
    } else if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse()
    } else {
        return None;
    };
    value.ok().map(|v| if negative { -i128::from(v) } else { i128::from(v) })
}

/// How a named value is looked for in an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The argument is this number.
    Is(i64),
    /// All these bits are set.
    Has(u64),
    /// These bits of it are this number.
    Part { mask: u64, value: u64 },
}

/// What `word` means among the values of a family.
///
/// # Errors
/// The word is unknown: one line, with the nearest known.
pub fn parse(index: u16, word: &str) -> Result<Named, String> {
    let info = &FAMILIES[usize::from(index)];
    let Some((_, value, _)) = info.values.iter().find(|(name, _, _)| *name == word) else {
        let hint = nearest_hint(word, info.values.iter().map(|(name, _, _)| *name));
        return Err(format!("unknown value {word:?}{hint}"));
    };
    let bits = *value as u64;
    Ok(match (info.kind, info.mask) {
        (FamilyKind::Enum, _) => Named::Is(*value),
        (FamilyKind::Mixed, Some(mask)) if bits & !mask == 0 => Named::Part { mask, value: bits },
        _ if bits == 0 => Named::Is(0),
        _ => Named::Has(bits),
    })
}
