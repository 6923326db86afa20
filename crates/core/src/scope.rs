//! Which tasks a slot looks at: compiled to the tables that the kernel side tests (`bpf/include/scope.h`). A slot is a
//! policy, or those of its rules that narrow its scope: see `slots.rs`.
//!
//! For one key of one slot: its `=` values and its range (all its `<` and `>` together) are alternatives, and none of
//! its `!=` values may hold. Different keys must all hold.

use std::collections::BTreeMap;

use crate::catalogue::nearest_hint;
use crate::containers::{conditions, Conditions};
use crate::names;
use crate::pattern::{Pattern, Shape};
use crate::predicate::{Op, Predicate};
use crate::tables::{Tables, TextTest};

pub const MAX_POLICIES: usize = 64;
/// What the kernel keeps of a task's name.
const COMM_MAX: usize = 15;

/// `enum number_key`, in its order.
pub const NUMBER_KEYS: [&str; 5] = ["pid", "uid", "mntns", "pidns", "tree"];
/// `enum text_key`, in its order.
pub const TEXT_KEYS: [&str; 3] = ["comm", "executable", "uts"];
/// Keys that stand alone.
pub const FLAG_KEYS: [&str; 2] = ["follow", "global"];

/// `struct number_scope`
#[derive(Debug, Clone)]
pub struct NumberScope {
    pub used: u64,
    pub positive: u64,
    pub ranged: u64,
    pub min: [u64; MAX_POLICIES],
    pub max: [u64; MAX_POLICIES],
}

/// A slot's test of one text key, for where the kernel could not decide.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    pub yes: Vec<Pattern>,
    pub no: Vec<Pattern>,
}

impl Patterns {
    pub fn holds(&self, text: &[u8]) -> bool {
        (self.yes.is_empty() || self.yes.iter().any(|p| p.matches(text))) && !self.no.iter().any(|p| p.matches(text))
    }
}

/// The scopes of all slots.
#[derive(Debug)]
pub struct Scope {
    /// Those in use.
    pub slots: u64,
    pub scoped: u64,
    pub follow: u64,
    pub numbers: [NumberScope; NUMBER_KEYS.len()],
    pub texts: [TextTest; TEXT_KEYS.len()],
    /// By slot and key.
    pub patterns: BTreeMap<(usize, usize), Patterns>,
    pub containers: Conditions,
}

impl Default for Scope {
    fn default() -> Scope {
        let number =
            NumberScope { used: 0, positive: 0, ranged: 0, min: [0; MAX_POLICIES], max: [u64::MAX; MAX_POLICIES] };
        Scope {
            slots: 0,
            scoped: 0,
            follow: 0,
            numbers: std::array::from_fn(|_| number.clone()),
            texts: Default::default(),
            patterns: BTreeMap::new(),
            containers: Conditions::default(),
        }
    }
}

impl Scope {
    /// # Errors
    /// An unknown key, an operator that the key does not take, a value that is none: one line.
    pub fn add(&mut self, tables: &mut Tables, slot: usize, predicate: &Predicate) -> Result<(), String> {
        let field = predicate.field.as_str();
        if let Some(key) = NUMBER_KEYS.iter().position(|k| *k == field) {
            return self.add_number(tables, slot, key, predicate);
        }
        if let Some(key) = TEXT_KEYS.iter().position(|k| *k == field) {
            return self.add_text(tables, slot, key, predicate);
        }
        if conditions::words().any(|word| word == field) {
            return self.containers.add(slot, predicate);
        }
        if FLAG_KEYS.contains(&field) {
            if predicate.op != Op::Alone {
                return Err(format!("{field} takes no value"));
            }
            if field == "follow" {
                self.follow |= 1 << slot;
            }
            return Ok(());
        }
        let known = NUMBER_KEYS.into_iter().chain(TEXT_KEYS).chain(FLAG_KEYS).chain(conditions::words());
        Err(format!("unknown scope {field:?}{}", nearest_hint(field, known)))
    }

    fn add_number(
        &mut self,
        tables: &mut Tables,
        slot: usize,
        key: usize,
        predicate: &Predicate,
    ) -> Result<(), String> {
        let field = &predicate.field;
        if predicate.op == Op::Alone || predicate.values.is_empty() {
            return Err(format!("{field} needs a value, such as {field}=1000"));
        }
        let bit = 1 << slot;
        let scope = &mut self.numbers[key];
        scope.used |= bit;
        for word in &predicate.values {
            let number = names::number(word).ok_or_else(|| format!("{field}: {word:?} is no number"))?;
            let value = u32::try_from(number)
                .map_err(|_| format!("{field}: {word} is out of range (0 to {})", u32::MAX))
                .map(u64::from)?;
            let (min, max) = (&mut scope.min[slot], &mut scope.max[slot]);
            match predicate.op {
                Op::Alone => {}
                Op::Equal | Op::NotEqual => {
                    let negative = predicate.op == Op::NotEqual;
                    if !tables.add_number(key as u32, value, slot, negative) {
                        return Err(format!("{field}: more numbers than the kernel's table holds"));
                    }
                    scope.positive |= if negative { 0 } else { bit };
                    continue;
                }
                _ if field == "tree" => return Err("tree takes = and != only".into()),
                Op::AtLeast => *min = value.max(*min),
                Op::Greater => *min = (value + 1).max(*min),
                Op::AtMost => *max = value.min(*max),
                Op::Less => match value.checked_sub(1) {
                    Some(most) => *max = most.min(*max),
                    None => (*min, *max) = (1, 0), // nothing is less than 0
                },
            }
            scope.ranged |= bit;
            scope.positive |= bit;
        }
        Ok(())
    }

    fn add_text(&mut self, tables: &mut Tables, slot: usize, key: usize, predicate: &Predicate) -> Result<(), String> {
        let field = &predicate.field;
        let negative = match predicate.op {
            Op::Equal => false,
            Op::NotEqual => true,
            _ => return Err(format!("{field} takes = and != only")),
        };
        for word in &predicate.values {
            let pattern = if field == "comm" { comm_pattern(word) } else { Pattern::new(word) };
            if field == "uts" && pattern.shape() == Shape::Other {
                return Err(format!("uts: {word:?}: a host name may have one *, at its start or its end"));
            }
            tables.add_text(key as u32, &mut self.texts[key], &pattern, slot, negative);
            let patterns = self.patterns.entry((slot, key)).or_default();
            (if negative { &mut patterns.no } else { &mut patterns.yes }).push(pattern);
        }
        Ok(())
    }

    /// Call when all predicates of the slots in use are added.
    pub fn finish(&mut self, slots: u64) {
        self.slots = slots;
        let used = self.numbers.iter().map(|n| n.used).chain(self.texts.iter().map(|t| t.used));
        self.scoped = used.fold(self.containers.used, |all, used| all | used);
    }
}

/// The pattern that a task's name is compared with: the kernel keeps the start of long names only.
pub fn comm_pattern(word: &str) -> Pattern {
    let cut = !word.contains('*') && word.len() > COMM_MAX;
    Pattern::from_bytes(if cut { &word.as_bytes()[..COMM_MAX] } else { word.as_bytes() })
}
