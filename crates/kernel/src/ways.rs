//! Which way an event is taken, and so which programs are loaded. What is not needed is not loaded: the verifier's time
//! is most of the start.

use std::collections::{BTreeMap, BTreeSet};

use tracee_core::catalogue::{Event, Hook, Way, EVENTS, GROUPS};
use tracee_core::plan::Compiled;

use crate::containers;
use crate::probe::{self, Kernel};
use crate::{limits, scan};

/// Only in the object for older kernels, where it is always needed.
const FORGET: &str = "tracee_forget";

/// Kinds of hooks that may be used; the others stand back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed(Option<Vec<String>>);

impl Allowed {
    /// The words that [`Allowed::parse`] takes.
    pub const WORDS: [&'static str; 5] = ["best", "fentry", "lsm", "kprobe", "fallback"];

    pub fn best() -> Allowed {
        Allowed(None)
    }

    /// `best` is every kind. Others name the better kinds that may be used; `fallback` names none of them. The lesser
    /// kinds may always be used.
    pub fn parse(word: &str) -> Option<Allowed> {
        match word {
            "best" => Some(Allowed::best()),
            "fallback" => Some(Allowed(Some(Vec::new()))),
            "fentry" => Some(Allowed(Some(vec!["fentry".into(), "fexit".into()]))),
            "kprobe" => Some(Allowed(Some(vec!["kprobe".into(), "kretprobe".into()]))),
            "lsm" => Some(Allowed(Some(vec!["lsm".into()]))),
            _ => None,
        }
    }

    fn has(&self, kind: &str) -> bool {
        !probe::BETTER.contains(&kind) || self.0.as_ref().is_none_or(|kinds| kinds.iter().any(|k| k == kind))
    }
}

/// Groups of system calls by bit, the place in [`GROUPS`]: `served` of `bpf/include/maps.h`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Groups {
    pub after: u64,
    pub before: u64,
}

impl Groups {
    fn add(&mut self, hook: &Hook) {
        let bits = match hook.kind {
            "sys_exit" => &mut self.after,
            "sys_enter" => &mut self.before,
            _ => return,
        };
        *bits |= GROUPS.iter().position(|name| *name == hook.target).map_or(0, |place| 1 << place);
    }
}

/// What was chosen for the events of a plan.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// By event index: the way it is taken, and why no better one is.
    pub ways: BTreeMap<u16, (&'static Way, String)>,
    /// By event index: why there is no way.
    pub unavailable: BTreeMap<u16, String>,
    /// What it takes.
    pub part: Part,
}

/// What one loaded object does of that: events, and programs that are there for all.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// By event index. Those are among them that others are derived from.
    pub events: BTreeMap<u16, &'static Way>,
    pub common: BTreeSet<&'static str>,
}

impl Part {
    /// One program alone.
    pub fn of(program: &'static str) -> Part {
        Part { events: BTreeMap::new(), common: [program].into() }
    }

    /// What is in none of the others.
    pub fn without<'a>(&self, others: impl Iterator<Item = &'a Part>) -> Part {
        let mut rest = self.clone();
        for other in others {
            rest.events.retain(|event, _| !other.events.contains_key(event));
            rest.common.retain(|program| !other.common.contains(program));
        }
        rest
    }

    /// Keeps only what is in the other.
    pub fn retain(&mut self, other: &Part) {
        self.events.retain(|event, _| other.events.contains_key(event));
        self.common.retain(|program| other.common.contains(program));
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.common.is_empty()
    }

    fn hooks(&self) -> impl Iterator<Item = &'static Hook> + '_ {
        self.events.values().flat_map(|way| way.hooks)
    }

    /// Names of the programs to load.
    pub fn programs(&self) -> BTreeSet<&'static str> {
        self.hooks().filter_map(|hook| hook.program).chain(self.common.iter().copied()).collect()
    }

    /// The groups of system calls that are looked into.
    pub fn groups(&self) -> Groups {
        let mut groups = Groups::default();
        self.hooks().for_each(|hook| groups.add(hook));
        groups
    }

    /// Indices of the events that are not taken where they happen.
    pub fn lesser(&self) -> impl Iterator<Item = u16> + '_ {
        let lesser = |way: &Way| !way.hooks.iter().any(|hook| probe::BETTER.contains(&hook.kind));
        self.events.iter().filter(move |(_, way)| lesser(way)).map(|(event, _)| *event)
    }
}

/// What a choice depends on.
pub struct Choice<'a> {
    pub kernel: &'a Kernel,
    pub allowed: &'a Allowed,
    /// Programs that were tried and cannot be had, and why; so are hooks, named `KIND:TARGET`.
    pub refused: &'a BTreeMap<String, String>,
}

impl Choice<'_> {
    /// For every event that a policy selects, the first way whose hooks can all be had. An event that is in use goes on
    /// as it is taken.
    pub fn make(&self, plan: &Compiled, in_use: &Chosen) -> Chosen {
        let mut chosen = Chosen::default();
        // for the table of tasks, whatever is traced
        chosen.part.common.extend(["tracee_fork", "tracee_exec", "tracee_exit", FORGET]);
        // and of containers
        let there = containers::PROGRAMS.iter().filter(|(_, tracepoint)| self.kernel.has_tracepoint(tracepoint));
        chosen.part.common.extend(there.map(|(program, _)| *program));
        for (index, event) in (0..).zip(&EVENTS) {
            if plan.wanted[usize::from(index)] == 0 {
                continue;
            }
            match in_use.ways.get(&index).cloned().map_or_else(|| self.way(event), Ok) {
                Ok(way) => self.add(&mut chosen, index, way, in_use),
                Err(why) => {
                    chosen.unavailable.insert(index, why);
                }
            }
        }
        // they look up names, so that the kernel's table of them has to be found
        if chosen.part.lesser().next().is_some() && !limits::is_older() {
            chosen.part.common.insert(scan::PROGRAM);
        }
        let tree = tracee_core::scope::NUMBER_KEYS.iter().position(|key| *key == "tree");
        if plan.scope.follow != 0 || tree.is_some_and(|key| plan.scope.numbers[key].used != 0) {
            chosen.part.common.extend(["tracee_inherit", "tracee_follow"]);
        }
        chosen
    }

    /// Adds an event and those that it is derived from.
    fn add(&self, chosen: &mut Chosen, index: u16, (way, why): (&'static Way, String), in_use: &Chosen) {
        chosen.part.events.insert(index, way);
        for base in way.hooks.iter().filter_map(Hook::base) {
            let known = in_use.part.events.get(&base).copied();
            if let Some(way) = known.or_else(|| self.way(&EVENTS[usize::from(base)]).ok().map(|(way, _)| way)) {
                chosen.part.events.insert(base, way);
            }
        }
        let reads = |hook: &Hook| hook.kind == "scan" && scan::reads_memory(hook.target);
        chosen.part.common.extend(way.hooks.iter().any(reads).then_some(scan::PROGRAM));
        chosen.ways.insert(index, (way, why));
    }

    /// The first way that can be had, and why none before it; or why none.
    fn way(&self, event: &'static Event) -> Result<(&'static Way, String), String> {
        let mut reasons: Vec<String> = Vec::new();
        for way in event.attach {
            match self.refusal(way) {
                None => {
                    reasons.dedup();
                    return Ok((way, reasons.join("; ")));
                }
                Some(why) => reasons.push(why),
            }
        }
        reasons.dedup();
        Err(reasons.join("; "))
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        if let Some(hook) = way.hooks.iter().find(|hook| !self.allowed.has(hook.kind)) {
            return Some(format!("{} was not to be used", hook.kind));
        }
        way.hooks.iter().find_map(|hook| {
            let tried = self.refused.get(&hook.name()).or_else(|| self.refused.get(hook.program?)).cloned();
            let base = || self.way(&EVENTS[usize::from(hook.base()?)]).err();
            let why = tried.or_else(|| self.kernel.refusal(hook)).or_else(base)?;
            Some(format!("{}: {why}", hook.kind))
        })
    }
}

/// Whether an event can do without this program, going another way or not at all.
pub fn is_optional(program: &str) -> bool {
    let hooks = EVENTS.iter().flat_map(|event| event.attach).flat_map(|way| way.hooks);
    hooks.filter_map(|hook| hook.program).any(|name| name == program)
}
