//! Which tasks a policy looks at: compiled to the tables that the kernel side tests (`bpf/include/scope.h`).
//!
//! For one key of one policy: its `=` values and its range (all its `<` and `>` together) are alternatives, and none of
//! its `!=` values may hold. Different keys must all hold.

use std::collections::BTreeMap;

use crate::catalogue::nearest_hint;
use crate::names;
use crate::pattern::{Pattern, Shape};
use crate::predicate::{Op, Predicate};

pub const MAX_POLICIES: usize = 64;
/// `TEXT_MAX` of the kernel side: longer texts are left to user space.
pub const TEXT_MAX: usize = 240;
/// What the kernel keeps of a task's name.
const COMM_MAX: usize = 15;

/// `enum number_key`, in its order.
pub const NUMBER_KEYS: [&str; 5] = ["pid", "uid", "mntns", "pidns", "tree"];
/// `enum text_key`, in its order.
pub const TEXT_KEYS: [&str; 2] = ["comm", "executable"];
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

/// `struct text_scope`
#[derive(Debug, Clone, Copy, Default)]
pub struct TextScope {
    pub used: u64,
    pub positive: u64,
    pub undecided: u64,
}

/// `struct verdict`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    pub yes: u64,
    pub no: u64,
}

impl Verdict {
    fn add(&mut self, policy: usize, negative: bool) {
        *(if negative { &mut self.no } else { &mut self.yes }) |= 1 << policy;
    }

    fn join(&mut self, other: Verdict) {
        self.yes |= other.yes;
        self.no |= other.no;
    }
}

/// A policy's test of one text key, for where the kernel could not decide.
#[derive(Debug, Clone, Default)]
pub struct TextTest {
    pub yes: Vec<Pattern>,
    pub no: Vec<Pattern>,
}

impl TextTest {
    pub fn holds(&self, text: &[u8]) -> bool {
        (self.yes.is_empty() || self.yes.iter().any(|p| p.matches(text))) && !self.no.iter().any(|p| p.matches(text))
    }
}

type TextKey = (u32, Vec<u8>);

/// The scopes of all policies.
#[derive(Debug)]
pub struct Scope {
    pub policies: u64,
    pub scoped: u64,
    pub follow: u64,
    pub numbers: [NumberScope; NUMBER_KEYS.len()],
    pub texts: [TextScope; TEXT_KEYS.len()],
    pub number_verdicts: BTreeMap<(u32, u64), Verdict>,
    pub exact: BTreeMap<TextKey, Verdict>,
    pub prefixes: BTreeMap<TextKey, Verdict>,
    /// Reversed.
    pub suffixes: BTreeMap<TextKey, Verdict>,
    pub tests: BTreeMap<(usize, usize), TextTest>,
}

impl Default for Scope {
    fn default() -> Scope {
        let number =
            NumberScope { used: 0, positive: 0, ranged: 0, min: [0; MAX_POLICIES], max: [u64::MAX; MAX_POLICIES] };
        Scope {
            policies: 0,
            scoped: 0,
            follow: 0,
            numbers: std::array::from_fn(|_| number.clone()),
            texts: Default::default(),
            number_verdicts: BTreeMap::new(),
            exact: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            suffixes: BTreeMap::new(),
            tests: BTreeMap::new(),
        }
    }
}

impl Scope {
    /// # Errors
    /// An unknown key, an operator that the key does not take, a value that is none: one line.
    pub fn add(&mut self, policy: usize, predicate: &Predicate) -> Result<(), String> {
        let field = predicate.field.as_str();
        if let Some(key) = NUMBER_KEYS.iter().position(|k| *k == field) {
            return self.add_number(policy, key, predicate);
        }
        if let Some(key) = TEXT_KEYS.iter().position(|k| *k == field) {
            return self.add_text(policy, key, predicate);
        }
        if FLAG_KEYS.contains(&field) {
            if predicate.op != Op::Alone {
                return Err(format!("{field} takes no value"));
            }
            if field == "follow" {
                self.follow |= 1 << policy;
            }
            return Ok(());
        }
        let known = NUMBER_KEYS.iter().chain(&TEXT_KEYS).chain(&FLAG_KEYS).copied();
        Err(format!("unknown scope {field:?}{}", nearest_hint(field, known)))
    }

    fn add_number(&mut self, policy: usize, key: usize, predicate: &Predicate) -> Result<(), String> {
        let field = &predicate.field;
        if predicate.op == Op::Alone || predicate.values.is_empty() {
            return Err(format!("{field} needs a value, such as {field}=1000"));
        }
        let bit = 1 << policy;
        let scope = &mut self.numbers[key];
        scope.used |= bit;
        for word in &predicate.values {
            let number = names::number(word).ok_or_else(|| format!("{field}: {word:?} is no number"))?;
            let value = u32::try_from(number)
                .map_err(|_| format!("{field}: {word} is out of range (0 to {})", u32::MAX))
                .map(u64::from)?;
            let (min, max) = (&mut scope.min[policy], &mut scope.max[policy]);
            match predicate.op {
                Op::Alone => {}
                Op::Equal | Op::NotEqual => {
                    let negative = predicate.op == Op::NotEqual;
                    self.number_verdicts.entry((key as u32, value)).or_default().add(policy, negative);
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

    fn add_text(&mut self, policy: usize, key: usize, predicate: &Predicate) -> Result<(), String> {
        let field = &predicate.field;
        let negative = match predicate.op {
            Op::Equal => false,
            Op::NotEqual => true,
            _ => return Err(format!("{field} takes = and != only")),
        };
        let bit = 1 << policy;
        self.texts[key].used |= bit;
        self.texts[key].positive |= if negative { 0 } else { bit };
        for word in &predicate.values {
            let mut bytes = word.as_bytes();
            if field == "comm" && !word.contains('*') && bytes.len() > COMM_MAX {
                bytes = &bytes[..COMM_MAX];
            }
            let pattern = Pattern::from_bytes(bytes);
            let key_of = |text: &[u8]| (key as u32, text.to_vec());
            let (map, text) = match pattern.shape() {
                Shape::Exact(text) if text.len() < TEXT_MAX => (&mut self.exact, key_of(text)),
                Shape::Prefix(text) if text.len() < TEXT_MAX => (&mut self.prefixes, key_of(text)),
                Shape::Suffix(text) if text.len() < TEXT_MAX => {
                    let reversed: Vec<u8> = text.iter().rev().copied().collect();
                    (&mut self.suffixes, key_of(&reversed))
                }
                _ => {
                    self.texts[key].undecided |= bit;
                    self.keep_test(policy, key, pattern, negative);
                    continue;
                }
            };
            map.entry(text).or_default().add(policy, negative);
            self.keep_test(policy, key, pattern, negative);
        }
        Ok(())
    }

    fn keep_test(&mut self, policy: usize, key: usize, pattern: Pattern, negative: bool) {
        let test = self.tests.entry((policy, key)).or_default();
        (if negative { &mut test.no } else { &mut test.yes }).push(pattern);
    }

    /// Call when all predicates of `policies` policies are added.
    pub fn finish(&mut self, policies: usize) {
        self.policies = if policies >= MAX_POLICIES { u64::MAX } else { (1 << policies) - 1 };
        let used = self.numbers.iter().map(|n| n.used).chain(self.texts.iter().map(|t| t.used));
        self.scoped = used.fold(0, |all, used| all | used);
        // a trie finds the longest only, so that one speaks for the shorter ones too
        for map in [&mut self.prefixes, &mut self.suffixes] {
            let keys: Vec<TextKey> = map.keys().cloned().collect();
            let own = map.clone();
            for (key, verdict) in map.iter_mut() {
                for shorter in keys.iter().filter(|s| s.0 == key.0 && key.1.starts_with(&s.1)) {
                    verdict.join(own[shorter]);
                }
            }
        }
    }
}
