//! Which way an event is taken, and so which programs are loaded. What is not needed is not loaded: the verifier's time
//! is most of the start.

use std::collections::{BTreeMap, BTreeSet};

use tracee_core::catalogue::{Event, Hook, Way, EVENTS, GROUPS};
use tracee_core::plan::Compiled;

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
#[derive(Debug, Default)]
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

/// Chooses for every event that a policy selects the first way whose hooks can all be had. Programs in `refused` were
/// tried and cannot, for the reason given there; so are hooks, named `KIND:TARGET`.
pub fn choose(plan: &Compiled, kernel: &Kernel, allowed: &Allowed, refused: &BTreeMap<String, String>) -> Chosen {
    let mut chosen = Chosen::default();
    // for the table of tasks, whatever is traced
    chosen.part.common.extend(["tracee_fork", "tracee_exec", "tracee_exit", FORGET]);
    for (index, event) in (0..).zip(&EVENTS) {
        if plan.wanted[usize::from(index)] == 0 {
            continue;
        }
        match way(event, kernel, allowed, refused) {
            Ok((way, why)) => {
                chosen.part.events.insert(index, way);
                for base in way.hooks.iter().filter_map(Hook::base) {
                    if let Ok((way, _)) = self::way(&EVENTS[usize::from(base)], kernel, allowed, refused) {
                        chosen.part.events.insert(base, way);
                    }
                }
                let reads = |hook: &Hook| hook.kind == "scan" && scan::reads_memory(hook.target);
                chosen.part.common.extend(way.hooks.iter().any(reads).then_some(scan::PROGRAM));
                chosen.ways.insert(index, (way, why));
            }
            Err(why) => {
                chosen.unavailable.insert(index, why);
            }
        }
    }
    // they look up names, so that we have to find the kernel's table of them
    if chosen.part.lesser().next().is_some() && !limits::is_older() {
        chosen.part.common.insert(scan::PROGRAM);
    }
    let tree = tracee_core::scope::NUMBER_KEYS.iter().position(|key| *key == "tree");
    if plan.scope.follow != 0 || tree.is_some_and(|key| plan.scope.numbers[key].used != 0) {
        chosen.part.common.extend(["tracee_inherit", "tracee_follow"]);
    }
    chosen
}

fn way(
    event: &'static Event,
    kernel: &Kernel,
    allowed: &Allowed,
    refused: &BTreeMap<String, String>,
) -> Result<(&'static Way, String), String> {
    let mut reasons: Vec<String> = Vec::new();
    for way in event.attach {
        let mut permitted = way.hooks.iter().filter(|hook| !allowed.has(hook.kind));
        if let Some(hook) = permitted.next() {
            reasons.push(format!("{} was not to be used", hook.kind));
            continue;
        }
        let refusal = way.hooks.iter().find_map(|hook| {
            let tried = refused.get(&hook.name()).or_else(|| refused.get(hook.program?)).cloned();
            let base = || self::way(&EVENTS[usize::from(hook.base()?)], kernel, allowed, refused).err();
            tried.or_else(|| kernel.refusal(hook)).or_else(base).map(|why| format!("{}: {why}", hook.kind))
        });
        match refusal {
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

/// Whether an event can do without this program, going another way or not at all.
pub fn is_optional(program: &str) -> bool {
    let hooks = EVENTS.iter().flat_map(|event| event.attach).flat_map(|way| way.hooks);
    hooks.filter_map(|hook| hook.program).any(|name| name == program)
}
