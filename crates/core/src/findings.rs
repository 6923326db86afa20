//! What signatures find, as events: kinds that are declared at the start, beside those of the catalogue, and records of
//! them. A record has what was found, and inside it the record of the event that led to it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use serde::Deserialize;

use crate::catalogue::{Arg, Event, Kind, Names};
use crate::record::{chunk, flags, Head, Owned};

/// The index of the first kind; the others follow.
pub const FIRST: u16 = 0x8000;
/// So many kinds, declared anew ones counted again.
pub const MOST: usize = 0x1000;
/// A finding led to by a finding, and so on: no more of them one inside the other.
pub const MOST_DEEP: u64 = 5;
/// Chunks after those of the fields: what was found beyond them, the event's record, the policies that it matched.
pub const EXTRA: usize = 3;

/// What a signature says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub name: String,
    /// What is printed as the event's id.
    pub id: String,
    pub about: String,
    pub category: String,
    pub sets: Vec<String>,
    pub fields: Vec<Field>,
    /// The object `detection` of JSON.
    pub detection: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub c_type: String,
}

/// What is printed of a kind of finding only.
#[derive(Debug)]
pub struct Detection {
    pub id: &'static str,
    /// The object `detection` of JSON.
    pub json: &'static str,
}

struct Declared {
    declaration: Declaration,
    kind: &'static Event,
}

static DECLARED: RwLock<Vec<Declared>> = RwLock::new(Vec::new());

fn declared() -> RwLockReadGuard<'static, Vec<Declared>> {
    DECLARED.read().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a kind of event of it, for as long as the program runs; its index. The same again is the same kind.
///
/// # Errors
/// A field has a type that none can have, or there are too many kinds: one line.
pub fn declare(declaration: &Declaration) -> Result<u16, String> {
    let mut declared = DECLARED.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = declared.iter().rposition(|known| known.declaration == *declaration) {
        return Ok(FIRST + place as u16);
    }
    if declared.len() >= MOST {
        return Err(format!("more than {MOST} kinds of findings"));
    }
    let kind = Box::leak(Box::new(kind_of(declaration)?));
    declared.push(Declared { declaration: declaration.clone(), kind });
    Ok(FIRST + declared.len() as u16 - 1)
}

/// The kind with that index.
pub fn kind(index: u16) -> Option<&'static Event> {
    // first, since most indices that are asked for are none of ours
    let place = number(index)?;
    declared().get(usize::from(place)).map(|known| known.kind)
}

/// The place of a kind among all kinds of findings; `None`: the index is of no finding.
pub fn number(index: u16) -> Option<u16> {
    index.checked_sub(FIRST).filter(|place| usize::from(*place) < MOST)
}

/// The kind of that name, the last declared, with its index.
pub fn by_name(name: &str) -> Option<(u16, &'static Event)> {
    let declared = declared();
    let place = declared.iter().rposition(|known| known.kind.name == name)?;
    Some((FIRST + place as u16, declared[place].kind))
}

/// The names of all kinds.
pub fn names() -> Vec<&'static str> {
    declared().iter().map(|known| known.kind.name).collect()
}

fn kind_of(declaration: &Declaration) -> Result<Event, String> {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let args = declaration.fields.iter().enumerate().map(|(i, field)| {
        let kind = kind_of_type(&field.c_type)
            .ok_or_else(|| format!("{}: {:?} is no type that a field can have", field.name, field.c_type))?;
        let (name, c_type) = (leak(&field.name), leak(&field.c_type));
        Ok(Arg { name, c_type, kind, names: Names::None, chunk: Some(i as u8), file: false, also: None })
    });
    Ok(Event {
        name: leak(&declaration.name),
        id: 0,
        category: leak(&declaration.category),
        about: leak(&declaration.about),
        sets: declaration.sets.iter().map(|set| leak(set)).collect::<Vec<_>>().leak(),
        attach: &[],
        syscall: false,
        args: args.collect::<Result<Vec<_>, String>>()?.leak(),
        detection: Some(Box::leak(Box::new(Detection {
            id: leak(&declaration.id),
            json: leak(&declaration.detection),
        }))),
    })
}

/// How a field of this C type is read.
pub fn kind_of_type(c_type: &str) -> Option<Kind> {
    Some(match c_type {
        "const char*" | "char*" | "string" => Kind::String,
        "const char**" | "const char*const*" | "char**" => Kind::StringList,
        "bool" => Kind::Bool,
        "int" | "pid_t" | "s32" | "int32" => Kind::I32,
        "unsigned int" | "u8" | "u16" | "u32" | "dev_t" | "uid_t" | "gid_t" | "mode_t" | "umode_t" | "uint32" => {
            Kind::U32
        }
        "long" | "s64" | "off_t" | "loff_t" | "int64" => Kind::I64,
        "unsigned long" | "u64" | "size_t" | "uint64" => Kind::U64,
        "void*" => Kind::Pointer,
        _ => return None,
    })
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    /// Also of a number that is negative, as two's complement.
    Number(u64),
}

/// What led to a finding.
pub struct Trigger<'a> {
    pub record: &'a [u8],
    pub head: &'a Head,
    /// Names of the policies that it matched.
    pub policies: Vec<&'a str>,
}

/// The record of a finding. `values`: of the kind's fields, in their order. `beyond`: what it has besides, objects of JSON
/// as in `args`, with commas between. `None` where too many findings would be one inside the other.
pub fn record(index: u16, trigger: &Trigger, values: &[Value], beyond: &[u8]) -> Option<Owned> {
    let depth = depth(trigger.head) + 1;
    if depth > MOST_DEEP {
        return None;
    }
    let Head { time, slots, cpu, task, .. } = *trigger.head;
    let flags = trigger.head.flags & !flags::COMPAT;
    let args = [depth, 0, 0, 0, 0, 0];
    let mut record = Owned::new(&Head { time, slots, event: index, cpu, flags, task, ret: 0, args });
    for value in values {
        match value {
            Value::Null => record.push_chunk(&[], chunk::NULL),
            Value::Text(text) => record.push_chunk(text, 0),
            Value::List(items) => {
                let bytes: Vec<u8> = items.iter().flat_map(|item| item.iter().copied().chain([0])).collect();
                record.push_chunk(&bytes, 0);
            }
            Value::Number(number) => record.push_chunk(&number.to_le_bytes(), 0),
        }
    }
    record.push_chunk(beyond, 0);
    record.push_chunk(trigger.record, 0);
    let names: Vec<u8> = trigger.policies.iter().flat_map(|name| name.bytes().chain([0])).collect();
    record.push_chunk(&names, 0);
    Some(record)
}

/// How many findings led to this one, itself counted; 0: it is none.
pub fn depth(head: &Head) -> u64 {
    if head.event >= FIRST {
        head.args[0]
    } else {
        0
    }
}
