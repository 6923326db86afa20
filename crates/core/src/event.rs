//! A record with its meaning: the catalogue's view of the bytes.

use serde::Deserialize;
use smallvec::SmallVec;
use zerocopy::FromBytes;

use crate::catalogue::{self, Kind};
use crate::findings;
use crate::record::{self, chunk, flags, Chunk, Head, Owned};
use crate::tree::Tree;
use crate::value::{address, Bytes, Cred, List, Numbers, SockAddr, Symbols, Text, Timespec, Value};

/// Chunks that may come after those of the arguments: what [`Event::script`] reads, and what findings have.
const EXTRA: usize = findings::EXTRA;

#[derive(Deserialize)]
struct Beyond {
    name: String,
    value: serde_json::Value,
}

/// One event. Borrows the record; arguments are read when asked for.
pub struct Event<'a> {
    pub head: &'a Head,
    pub info: &'static catalogue::Event,
    chunks: SmallVec<[Chunk<'a>; 6]>,
}

impl<'a> Event<'a> {
    /// `None` for bytes that are no record of an event of the catalogue.
    pub fn read(bytes: &'a [u8]) -> Option<Event<'a>> {
        let (head, rest) = record::split(bytes)?;
        let info = catalogue::by_index(head.event)?;
        let chunks =
            if rest.len() < 4 { SmallVec::new() } else { record::chunks(rest).take(info.args.len() + EXTRA).collect() };
        Some(Event { head, info, chunks })
    }

    /// The name of the kind of event.
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// A call made by a 32-bit program.
    pub fn is_compat(&self) -> bool {
        self.head.flags & flags::COMPAT != 0
    }

    /// Of a finding: what it has beyond its fields, objects of JSON as in `args`, with commas between.
    pub fn beyond(&self) -> &'a [u8] {
        self.of_finding(0)
    }

    /// What [`Event::beyond`] says, by name.
    pub fn beyond_values(&self) -> Vec<(String, serde_json::Value)> {
        let beyond = self.beyond();
        let list = serde_json::from_slice::<Vec<Beyond>>(&[b"[", beyond, b"]"].concat()).unwrap_or_default();
        list.into_iter().map(|one| (one.name, one.value)).collect()
    }

    /// Of a finding: the record of the event that led to it.
    pub fn trigger(&self) -> Option<Owned> {
        let bytes = self.of_finding(1);
        (!bytes.is_empty()).then(|| Owned::copy(bytes))
    }

    /// Of a finding: the names of the policies that the event which led to it matched.
    pub fn trigger_policies(&self) -> Vec<String> {
        let names = self.of_finding(2).split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    fn of_finding(&self, place: usize) -> &'a [u8] {
        let place = self.info.detection.map(|_| self.info.args.len() + place);
        place.and_then(|place| self.chunks.get(place)).map_or(&[], |chunk| chunk.bytes)
    }

    /// The value of argument `index`, [`Value::Null`] past the last.
    pub fn value(&self, index: usize) -> Value<'a> {
        let Some(arg) = self.info.args.get(index) else { return Value::Null };
        let Some(chunk) = arg.chunk.filter(|_| !arg.file) else {
            return self.scalar(arg.kind, self.head.args.get(index).copied().unwrap_or(0));
        };
        let Some(chunk) = self.chunks.get(usize::from(chunk)) else { return Value::Null };
        match self.pointed_at(arg.kind, *chunk) {
            Value::List(list) if arg.name == "argv" => Value::List(match self.script() {
                Some((rest, first)) => list.of_script(first, rest),
                None => list,
            }),
            value => value,
        }
    }

    /// The record had no room for what argument `index` points at.
    pub fn is_missing(&self, index: usize) -> bool {
        let arg = self.info.args.get(index);
        arg.and_then(|arg| arg.chunk).is_some_and(|chunk| usize::from(chunk) >= self.chunks.len())
    }

    /// The path of the file that a descriptor argument stands for, where the record has it.
    pub fn file(&self, index: usize) -> Option<Text<'a>> {
        let arg = self.info.args.get(index).filter(|arg| arg.file)?;
        Text::from_chunk(*self.chunks.get(usize::from(arg.chunk?))?)
    }

    /// Of a script's exec: how many arguments the caller passed after the first, and the first.
    fn script(&self) -> Option<(u64, &'a [u8])> {
        if self.info.detection.is_some() {
            return None;
        }
        let own = self.info.args.iter().filter(|arg| arg.chunk.is_some()).count();
        let (count, first) = (self.chunks.get(own)?, self.chunks.get(own + 1)?);
        Some((u64::from_le_bytes(*count.bytes.first_chunk()?), first.bytes))
    }

    fn pointed_at(&self, kind: Kind, chunk: Chunk<'a>) -> Value<'a> {
        let cut = chunk.is(chunk::CUT);
        match kind {
            Kind::String => Text::from_chunk(chunk).map_or(Value::Null, Value::Text),
            _ if chunk.is(chunk::NULL) => Value::Null,
            // a list is as long as could be read
            Kind::StringList => Value::List(List::new(chunk.bytes, cut || chunk.is(chunk::FAULT))),
            _ if chunk.is(chunk::FAULT) => Value::Null,
            Kind::SockAddr => SockAddr::read(chunk.bytes).map_or(Value::Null, Value::SockAddr),
            Kind::Timespec => Timespec::read(chunk.bytes).map_or(Value::Null, Value::Timespec),
            Kind::TimespecPair => {
                let (first, second) = chunk.bytes.split_at(chunk.bytes.len() / 2);
                let pair = Timespec::read(first).zip(Timespec::read(second));
                pair.map_or(Value::Null, |(a, b)| Value::TimespecPair([a, b]))
            }
            Kind::FdPair => match (chunk.bytes.first_chunk(), chunk.bytes.last_chunk()) {
                (Some(a), Some(b)) => Value::FdPair([i32::from_le_bytes(*a), i32::from_le_bytes(*b)]),
                _ => Value::Null,
            },
            Kind::Cred => Cred::read_from_bytes(chunk.bytes).map_or(Value::Null, Value::Cred),
            Kind::Syscall => {
                let index = chunk.bytes.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
                let event = index.and_then(|index| catalogue::EVENTS.get(usize::from(index)));
                event.map_or(Value::Null, |event| Value::Int(event.id.into()))
            }
            Kind::Numbers => Value::Numbers(Numbers::new(chunk.bytes, cut)),
            Kind::Symbols => Value::Symbols(Symbols::new(chunk.bytes)),
            Kind::Address => address(chunk.bytes).map_or(Value::Null, Value::Address),
            Kind::Raw => Value::Bytes(Bytes { bytes: chunk.bytes, cut }),
            Kind::Tree(of) => Value::Tree(Tree::new(chunk.bytes, of, cut)),
            scalar => match chunk.bytes.first_chunk() {
                Some(bytes) => self.scalar(scalar, u64::from_le_bytes(*bytes)),
                None => Value::Null,
            },
        }
    }

    fn scalar(&self, kind: Kind, raw: u64) -> Value<'a> {
        match kind {
            Kind::Bool => Value::Bool(raw != 0),
            Kind::U8 => Value::Uint(u64::from(raw as u8)),
            Kind::U16 => Value::Uint(u64::from(raw as u16)),
            Kind::I32 => Value::Int(i64::from(raw as i32)),
            Kind::U32 => Value::Uint(u64::from(raw as u32)),
            Kind::Long if self.is_compat() => Value::Int(i64::from(raw as i32)),
            Kind::Long | Kind::I64 => Value::Int(raw as i64),
            Kind::ULong | Kind::U64 | Kind::BootTime => Value::Uint(raw),
            Kind::Pointer => Value::Pointer(raw),
            // kinds that are always pointed at
            _ => Value::Null,
        }
    }
}
