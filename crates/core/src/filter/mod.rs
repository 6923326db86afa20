//! What is left to test of an event once the kernel has let it through.

mod rule;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::catalogue::EVENTS;
use crate::containers::{Conditions, Subject};
use crate::event::Event;
use crate::record::flags;
use crate::scope::{Patterns, Scope, TEXT_KEYS};
use crate::tables::TEXT_MAX;

pub use rule::{rule_keys, Rule};
pub(crate) use rule::{FieldOf, FieldTest, Test};

/// The rules of all policies, by event.
#[derive(Debug)]
pub struct Filter {
    rules: Vec<Vec<Rule>>,
    /// The same for what signatures find.
    of_findings: FxHashMap<u16, Vec<Rule>>,
    /// What signatures select, by event; a rule's policy is the signature's number.
    selected: FxHashMap<u16, Vec<Rule>>,
    /// The slot of signatures, where there are some.
    pub signatures: Option<usize>,
    /// By event: all its rules are plain, and each stands in its policy's own slot.
    plain: Vec<bool>,
    scope_tests: Vec<ScopeTest>,
    /// What slots ask of containers.
    pub containers: Conditions,
}

/// Numbers of signatures.
pub type Takers = SmallVec<[u16; 4]>;

/// Part of a scope that the kernel may have left open.
#[derive(Debug)]
struct ScopeTest {
    slot: u64,
    key: &'static str,
    /// The kernel never decides this one; the others only for texts longer than its tables hold.
    always: bool,
    patterns: Patterns,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter::new()
    }
}

impl Filter {
    pub fn new() -> Filter {
        let rules = EVENTS.iter().map(|_| Vec::new()).collect();
        Filter {
            rules,
            of_findings: FxHashMap::default(),
            selected: FxHashMap::default(),
            signatures: None,
            plain: vec![true; EVENTS.len()],
            scope_tests: Vec::new(),
            containers: Conditions::default(),
        }
    }

    pub fn add(&mut self, event: u16, rule: Rule) {
        let place = usize::from(event);
        match self.rules.get_mut(place) {
            Some(rules) => {
                self.plain[place] &= rule.is_plain();
                rules.push(rule);
            }
            None => self.of_findings.entry(event).or_default().push(rule),
        }
    }

    /// Adds what a signature selects; the rule's policy is the signature's number.
    pub fn add_selected(&mut self, event: u16, rule: Rule) {
        self.selected.entry(event).or_default().push(rule);
    }

    /// All rules about an event of the catalogue.
    pub(crate) fn rules_of(&self, event: u16) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.get(usize::from(event)).into_iter().flatten();
        rules.chain(self.selected.get(&event).into_iter().flatten())
    }

    pub fn take_scope_tests(&mut self, scope: &Scope) {
        self.containers = scope.containers.clone();
        for (&(slot, key), patterns) in &scope.patterns {
            let bit = 1 << slot;
            let always = scope.texts[key].undecided & bit != 0;
            let test = ScopeTest { slot: bit, key: TEXT_KEYS[key], always, patterns: patterns.clone() };
            self.scope_tests.push(test);
        }
    }

    /// Whether any rule is about the event, or any signature selects it.
    pub fn wants(&self, event: u16) -> bool {
        !self.rules[usize::from(event)].is_empty() || self.selected.contains_key(&event)
    }

    /// The policies that the event matches, by the slots that the kernel let through. `executable`: the path, where
    /// known.
    pub fn matching(&self, event: &Event, executable: Option<&[u8]>, subject: Subject) -> u64 {
        self.matching_with(event, executable, subject, self.containers.passed(subject))
    }

    /// As [`Filter::matching`]. `passed`: what [`Conditions::passed`] says of the subject.
    pub fn matching_with(&self, event: &Event, executable: Option<&[u8]>, subject: Subject, passed: u64) -> u64 {
        let slots = self.slots(event, executable, passed);
        let place = usize::from(event.head.event);
        let rules = self.rules.get(place).or_else(|| self.of_findings.get(&event.head.event));
        let rules = rules.map_or(&[][..], Vec::as_slice);
        if self.plain.get(place) == Some(&true) {
            return rules.iter().fold(0, |all, rule| all | slots & 1 << rule.slot);
        }
        let passed = rules.iter().filter(|r| slots >> r.slot & 1 != 0 && r.passes(event, executable, subject));
        passed.fold(0, |all, rule| all | 1 << rule.policy)
    }

    /// The signatures that the event is for, by their numbers. `passed`: as in [`Filter::matching_with`].
    pub fn taking(&self, event: &Event, executable: Option<&[u8]>, subject: Subject, passed: u64) -> Takers {
        let Some(rules) = self.selected.get(&event.head.event) else { return Takers::new() };
        let slots = self.slots(event, executable, passed);
        let mut takers = Takers::new();
        for rule in rules {
            let number = rule.policy as u16;
            if slots >> rule.slot & 1 != 0 && !takers.contains(&number) && rule.passes(event, executable, subject) {
                takers.push(number);
            }
        }
        takers
    }

    /// What is left of the event's slots by the scopes that the kernel may have left open.
    fn slots(&self, event: &Event, executable: Option<&[u8]>, passed: u64) -> u64 {
        let mut slots = event.head.slots;
        // nor is what it tells of no cgroup in or out of a container
        if event.head.task.cgroup_id != 0 {
            slots &= passed;
        }
        // what user space tells is no task's deed: scopes do not apply
        let by_task = event.head.task.host_tid != 0;
        let not_tested = event.head.flags & flags::OPEN != 0;
        for test in self.scope_tests.iter().filter(|_| by_task) {
            let text = match test.key {
                "comm" => Some(event.head.task.comm()),
                "executable" => executable,
                _ => continue, // the kernel alone knows
            };
            let open = test.always || not_tested || text.is_some_and(|t| t.len() > TEXT_MAX);
            if open && text.is_some_and(|text| !test.patterns.holds(text)) {
                slots &= !test.slot;
            }
        }
        slots
    }
}
