//! What the kernel tests of an event's fields: `bpf/include/fields.h`. Made from the rules that user space tests, so
//! that it never turns away what they would take; what the kernel cannot test is left to them.

use std::collections::{BTreeMap, HashSet};

use crate::catalogue::{Arg, Event, Kind, EVENTS};
use crate::filter::{FieldOf, FieldTest, Filter, Rule, Test};
use crate::names::Named;
use crate::tables::{field_key, Tables, TextTest, Verdict, MAX_FIELDS, MAX_RANGES};

/// `MOST_EARLY` and `MOST_LATE`
const MOST_OF_EVENT: usize = 8;
/// `PLACE_RESULT`
const RESULT: u8 = 6;
/// `MOST_RANGES`
const RANGES_OF_FIELD: usize = 64;
/// `MOST_CHUNKS`
const MOST_CHUNKS: u8 = 32;

/// `enum field_source`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Register = 0,
    String = 1,
    Chunk = 2,
    Text = 3,
}

/// `struct field`
#[derive(Debug, Clone)]
pub struct Field {
    pub test: TextTest,
    pub first_range: u32,
    pub ranges: u32,
    pub source: Source,
    pub place: u8,
    pub also: Option<u8>,
    /// Bytes; 0: true or false.
    pub width: u8,
    pub signed: bool,
    pub by_caller: bool,
    early: bool,
}

/// `struct range`
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub mask: u64,
    pub min: u64,
    pub max: u64,
    pub verdict: Verdict,
}

/// `struct event_fields`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFields {
    pub first: u16,
    pub early: u8,
    pub late: u8,
}

/// The fields that the kernel tests.
#[derive(Debug, Default)]
pub struct Fields {
    pub fields: Vec<Field>,
    pub ranges: Vec<Range>,
    /// By event index.
    pub events: BTreeMap<u16, EventFields>,
}

impl Fields {
    /// `shared`: slots and events that are left out.
    pub fn new(filter: &Filter, shared: &HashSet<(usize, u16)>, tables: &mut Tables) -> Fields {
        let mut fields = Fields::default();
        for (index, event) in (0..).zip(&EVENTS) {
            let rules = filter.rules_of(index);
            let decided: Vec<&Rule> = rules.filter(|rule| !shared.contains(&(rule.slot, index))).collect();
            fields.add_event(index, event, &decided, tables);
        }
        fields
    }

    fn add_event(&mut self, index: u16, event: &Event, rules: &[&Rule], tables: &mut Tables) {
        let mut named: Vec<FieldOf> = rules.iter().flat_map(|rule| rule.fields.keys().copied()).collect();
        named.sort_unstable();
        named.dedup();
        let mut found: Vec<(FieldOf, Field)> =
            named.into_iter().filter_map(|of| Some((of, Field::of(event, of)?))).collect();
        // a stable sort: those that are tested before the record is put together come first
        found.sort_by_key(|(_, field)| !field.early);
        let (first, mut counts) = (self.fields.len(), [0, 0]);
        for (of, mut field) in found {
            let count = &mut counts[usize::from(!field.early)];
            if self.fields.len() >= MAX_FIELDS || *count >= MOST_OF_EVENT {
                continue;
            }
            field.first_range = self.ranges.len() as u32;
            let key = field_key(self.fields.len());
            for rule in rules {
                let Some(test) = rule.fields.get(&of) else { continue };
                if field.takes_text() {
                    add_texts(&mut field, key, rule.slot, test, tables);
                } else {
                    self.add_numbers(&mut field, key, rule.slot, test, tables);
                }
            }
            field.ranges = self.ranges.len() as u32 - field.first_range;
            *count += 1;
            self.fields.push(field);
        }
        let [early, late] = counts.map(|count| count as u8);
        if early + late > 0 {
            self.events.insert(index, EventFields { first: first as u16, early, late });
        }
    }

    fn add_numbers(&mut self, field: &mut Field, key: u32, slot: usize, test: &FieldTest, tables: &mut Tables) {
        let bit = 1 << slot;
        field.test.used |= bit;
        if test.is_positive() {
            field.test.positive |= bit;
        }
        let mut whole = true;
        if let Some((min, max)) = test.range() {
            if let Some((min, max)) = field.clamp(min, max) {
                whole &= self.add_range(field, u64::MAX, min, max, slot, false);
            }
        }
        for (tests, negative) in [(&test.yes, false), (&test.no, true)] {
            for test in tests {
                whole &= match *test {
                    Test::Number(number) => self.add_number(field, key, number, slot, negative, tables),
                    Test::Named(Named::Is(number)) => {
                        self.add_number(field, key, number.into(), slot, negative, tables)
                    }
                    Test::Named(Named::Has(bits)) => self.add_bits(field, bits, bits, slot, negative),
                    Test::Named(Named::Part { mask, value }) => self.add_bits(field, mask, value, slot, negative),
                    Test::Text(_) | Test::Net(_) => false,
                };
            }
        }
        if !whole {
            field.test.undecided |= bit;
        }
    }

    fn add_number(
        &self,
        field: &mut Field,
        key: u32,
        number: i128,
        slot: usize,
        negative: bool,
        tables: &mut Tables,
    ) -> bool {
        // a number that the field cannot be equals nothing
        let Some((value, _)) = field.clamp(number, number) else { return true };
        field.test.exact |= 1 << slot;
        tables.add_number(key, value, slot, negative)
    }

    fn add_bits(&mut self, field: &Field, mask: u64, value: u64, slot: usize, negative: bool) -> bool {
        let value = value ^ (mask & field.flip());
        self.add_range(field, mask, value, value, slot, negative)
    }

    fn add_range(&mut self, field: &Field, mask: u64, min: u64, max: u64, slot: usize, negative: bool) -> bool {
        let own = &mut self.ranges[field.first_range as usize..];
        let same = own.iter_mut().find(|r| (r.mask, r.min, r.max) == (mask, min, max));
        if let Some(same) = same {
            same.verdict.add(slot, negative);
            return true;
        }
        if own.len() >= RANGES_OF_FIELD || self.ranges.len() >= MAX_RANGES {
            return false;
        }
        let mut verdict = Verdict::default();
        verdict.add(slot, negative);
        self.ranges.push(Range { mask, min, max, verdict });
        true
    }
}

fn add_texts(field: &mut Field, key: u32, slot: usize, test: &FieldTest, tables: &mut Tables) {
    for (tests, negative) in [(&test.yes, false), (&test.no, true)] {
        for test in tests {
            match test {
                Test::Text(pattern) => tables.add_text(key, &mut field.test, pattern, slot, negative),
                _ => field.test.undecided |= 1 << slot,
            }
        }
    }
}

impl Field {
    /// How the kernel reads it; `None` where it cannot test it.
    fn of(event: &Event, of: FieldOf) -> Option<Field> {
        let is_exec = matches!(event.name, "execve" | "execveat");
        let early = event.syscall && !is_exec;
        let (source, place, kind, also) = match of {
            FieldOf::Task(_) => return None, // such rules have slots of their own
            FieldOf::Part { .. } => return None,
            FieldOf::Return => (Source::Register, RESULT, Kind::I64, None),
            FieldOf::Arg(index) => {
                let arg = event.args.get(index)?;
                let place = u8::try_from(index).ok()?;
                let also = arg.also.and_then(|also| event.args.get(also)?.chunk);
                match (arg.chunk.filter(|_| !arg.file), arg.kind) {
                    (None, kind) => (Source::Register, place, kind, None),
                    (Some(_), Kind::String) if early => {
                        // what the call wrote there is not to be had before it is known to have succeeded
                        is_input(arg).then_some((Source::String, place, arg.kind, None))?
                    }
                    (Some(chunk), Kind::String) => (Source::Text, chunk, arg.kind, also),
                    (Some(chunk), kind) => (Source::Chunk, chunk, kind, None),
                }
            }
        };
        if place >= MOST_CHUNKS || also.is_some_and(|chunk| chunk >= MOST_CHUNKS) {
            return None;
        }
        let (width, signed, by_caller) = match kind {
            Kind::Bool => (0, false, false),
            Kind::U8 => (1, false, false),
            Kind::U16 => (2, false, false),
            Kind::U32 => (4, false, false),
            Kind::I32 => (4, true, false),
            Kind::I64 => (8, true, false),
            Kind::Long => (8, true, true),
            Kind::U64 | Kind::ULong | Kind::Pointer => (8, false, false),
            Kind::String => (8, false, false),
            _ => return None,
        };
        Some(Field {
            test: TextTest::default(),
            first_range: 0,
            ranges: 0,
            source,
            place,
            also,
            width,
            signed,
            by_caller,
            early,
        })
    }

    fn takes_text(&self) -> bool {
        matches!(self.source, Source::String | Source::Text)
    }

    fn flip(&self) -> u64 {
        if self.signed {
            1 << 63
        } else {
            0
        }
    }

    /// A range as the kernel compares it, of numbers that the field can be; `None`: there are none.
    fn clamp(&self, min: i128, max: i128) -> Option<(u64, u64)> {
        let bits = u32::from(self.width) * 8;
        let (least, most) = match bits {
            0 => (0, 1),
            _ if self.signed => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            _ => (0, (1 << bits) - 1),
        };
        let (min, max) = (min.max(least), max.min(most));
        (min <= max).then(|| (min as u64 ^ self.flip(), max as u64 ^ self.flip()))
    }
}

fn is_input(arg: &Arg) -> bool {
    arg.c_type.starts_with("const")
}
