//! A plan in the kernel's memory. There is room for two: one is made ready while the other is in use.

use libbpf_rs::{MapCore, MapFlags, MapHandle, Object};
use tracee_core::fields::Field;
use tracee_core::plan::Compiled;
use tracee_core::scope::MAX_POLICIES;
use tracee_core::tables::{kernel_key, Verdict, BANKS, MAX_FIELDS, MAX_RANGES, TEXT_MAX};

use crate::error::{Doing, Result};
use crate::object::find;
use crate::shared::Config;

/// The maps that values are looked up in.
pub struct Plans {
    numbers: MapHandle,
    texts: MapHandle,
    prefixes: MapHandle,
    suffixes: MapHandle,
    fields: MapHandle,
    ranges: MapHandle,
    /// What stands in the maps of values, by bank.
    keys: [Vec<(Values, Vec<u8>)>; BANKS as usize],
    pub bank: u32,
    generation: u64,
    /// By slot: the generation in which it came to be what it is.
    since: [u64; MAX_POLICIES],
}

#[derive(Debug, Clone, Copy)]
enum Values {
    Numbers,
    Texts,
    Prefixes,
    Suffixes,
}

impl Plans {
    pub fn new(object: &Object) -> Result<Plans> {
        let map = |name| MapHandle::try_from(&find(object, name)?).doing("hold the maps of a plan");
        Ok(Plans {
            numbers: map("tracee_numbers")?,
            texts: map("tracee_texts")?,
            prefixes: map("tracee_prefix")?,
            suffixes: map("tracee_suffix")?,
            fields: map("tracee_fields")?,
            ranges: map("tracee_ranges")?,
            keys: Default::default(),
            bank: 0,
            generation: 0,
            since: [0; MAX_POLICIES],
        })
    }

    /// Puts a plan into a bank that is not in use. Nothing is wanted by it yet.
    ///
    /// # Errors
    /// The kernel does not take it; the other bank is as it was.
    pub fn fill(&mut self, config: &Config, bank: u32, plan: &Compiled) -> Result<()> {
        self.clear(bank)?;
        self.generation += 1;
        for (slot, since) in self.since.iter_mut().enumerate() {
            if plan.slots.kept >> slot & 1 == 0 {
                *since = self.generation;
            }
        }
        for ((key, value), verdict) in &plan.tables.numbers {
            let mut probe = [0; 16];
            probe[..4].copy_from_slice(&kernel_key(*key, bank).to_ne_bytes());
            probe[8..].copy_from_slice(&value.to_ne_bytes());
            self.put(bank, Values::Numbers, &probe, verdict)?;
        }
        for ((key, text), verdict) in &plan.tables.exact {
            let mut probe = [0; 4 + TEXT_MAX];
            probe[..4].copy_from_slice(&kernel_key(*key, bank).to_ne_bytes());
            probe[4..4 + text.len()].copy_from_slice(text);
            self.put(bank, Values::Texts, &probe, verdict)?;
        }
        let tries = [(Values::Prefixes, &plan.tables.prefixes), (Values::Suffixes, &plan.tables.suffixes)];
        for (values, entries) in tries {
            for ((key, text), verdict) in entries {
                let mut probe = [0; 8 + TEXT_MAX];
                let bits = (4 + text.len() as u32) * 8;
                probe[..4].copy_from_slice(&bits.to_ne_bytes());
                probe[4..8].copy_from_slice(&kernel_key(*key, bank).to_ne_bytes());
                probe[8..8 + text.len()].copy_from_slice(text);
                self.put(bank, values, &probe, verdict)?;
            }
        }
        for (index, field) in (bank * MAX_FIELDS as u32..).zip(&plan.fields.fields) {
            let value = field_bytes(field, bank);
            self.fields.update(&index.to_ne_bytes(), &value, MapFlags::ANY).doing("fill in a field")?;
        }
        for (index, range) in (bank * MAX_RANGES as u32..).zip(&plan.fields.ranges) {
            let words = [range.mask, range.min, range.max, range.verdict.yes, range.verdict.no];
            let value = words.map(u64::to_ne_bytes).concat();
            self.ranges.update(&index.to_ne_bytes(), &value, MapFlags::ANY).doing("fill in a range")?;
        }
        config.set_plan(bank, plan, self.generation, &self.since);
        Ok(())
    }

    fn map(&self, values: Values) -> &MapHandle {
        match values {
            Values::Numbers => &self.numbers,
            Values::Texts => &self.texts,
            Values::Prefixes => &self.prefixes,
            Values::Suffixes => &self.suffixes,
        }
    }

    fn put(&mut self, bank: u32, values: Values, key: &[u8], verdict: &Verdict) -> Result<()> {
        let value = [verdict.yes.to_ne_bytes(), verdict.no.to_ne_bytes()].concat();
        self.map(values).update(key, &value, MapFlags::ANY).doing("fill in a plan")?;
        self.keys[bank as usize].push((values, key.to_vec()));
        Ok(())
    }

    fn clear(&mut self, bank: u32) -> Result<()> {
        for (values, key) in std::mem::take(&mut self.keys[bank as usize]) {
            self.map(values).delete(&key).doing("clear a plan")?;
        }
        Ok(())
    }
}

/// `struct field`
fn field_bytes(field: &Field, bank: u32) -> Vec<u8> {
    let test = &field.test;
    let masks = [test.used, test.positive, test.undecided, test.exact, test.prefix, test.suffix];
    let mut bytes = masks.map(u64::to_ne_bytes).concat();
    let first = bank * MAX_RANGES as u32 + field.first_range;
    bytes.extend([first, field.ranges].map(u32::to_ne_bytes).concat());
    let also = field.also.unwrap_or(u8::MAX);
    let rest = [field.source as u8, field.place, also, field.width, field.signed.into(), field.by_caller.into(), 0, 0];
    bytes.extend(rest);
    bytes
}
