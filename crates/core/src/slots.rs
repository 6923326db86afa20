//! Slots: the 64 bits of every mask. Each policy has one. A rule that narrows its policy's scope (`comm=bash` among its
//! filters), or is the second of its policy for the same event, gets one of its own as long as there are any, so that
//! the kernel can decide it; else it shares the policy's, and is decided in user space.
//!
//! Signatures are one more policy, whose rules are what they select. Rules about what signatures find have slots that only go
//! along with the events that lead to it ([`Slots::ride`]).
//!
//! A policy that stays when others are replaced keeps its slots, and so what the kernel has kept of them with each task.

use std::collections::HashSet;

use crate::predicate::Predicate;
use crate::scope::MAX_POLICIES;

/// Who has which slot.
#[derive(Debug)]
pub struct Slots {
    slots: Vec<Option<Slot>>,
    /// The slot of each policy.
    own: Vec<usize>,
    /// Slots and events whose fields the kernel cannot test, since rules share the slot.
    pub shared: HashSet<(usize, u16)>,
    taken: HashSet<(usize, u16)>,
    /// Those that are what they were in the plan before.
    pub kept: u64,
}

/// What a slot stands for. The same in two plans: the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meaning {
    policy: String,
    scope: Vec<Predicate>,
    /// What its rules add to the policy's scope.
    narrowed: Vec<Predicate>,
    /// It only goes along with events that others want, see [`Slots::ride`].
    rides: bool,
}

#[derive(Debug)]
struct Slot {
    policy: usize,
    meaning: Meaning,
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub slot: usize,
    /// The slot was made for this rule: its scope is still to be filled in.
    pub new: bool,
    /// The slot's scope is not all of the rule's: what the rule adds to it is tested in user space.
    pub shared: bool,
}

impl Slots {
    /// One for each of at most 64 policies: their names and scopes. `before`: those of the plan that this one replaces.
    pub fn new(policies: &[(&str, &[Predicate])], before: Option<&Slots>) -> Slots {
        let slots = (0..MAX_POLICIES).map(|_| None).collect();
        let own = vec![0; policies.len()];
        let mut all = Slots { slots, own, shared: HashSet::new(), taken: HashSet::new(), kept: 0 };
        let meaning = |policy: usize| {
            let (name, scope) = policies[policy];
            Meaning { policy: name.into(), scope: scope.to_vec(), narrowed: Vec::new(), rides: false }
        };
        // who stays is first, so that nobody else takes his slot
        let mut rest: Vec<usize> = (0..policies.len()).collect();
        rest.retain(|policy| match all.kept_slot(&meaning(*policy), before) {
            Some(slot) => {
                all.kept |= 1 << slot;
                all.give(slot, *policy, meaning(*policy));
                all.own[*policy] = slot;
                false
            }
            None => true,
        });
        for policy in rest {
            let slot = all.slots.iter().position(Option::is_none).expect("at most 64 policies");
            all.give(slot, policy, meaning(policy));
            all.own[policy] = slot;
        }
        all
    }

    /// The free slot that meant the same before.
    fn kept_slot(&self, meaning: &Meaning, before: Option<&Slots>) -> Option<usize> {
        let mut old = before?.slots.iter().enumerate();
        let same = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.meaning == *meaning);
        old.find(|(i, slot)| same(slot) && self.slots[*i].is_none()).map(|(i, _)| i)
    }

    fn give(&mut self, slot: usize, policy: usize, meaning: Meaning) {
        self.slots[slot] = Some(Slot { policy, meaning });
    }

    /// The slot that stands for the whole of a policy's scope.
    pub fn own(&self, policy: usize) -> usize {
        self.own[policy]
    }

    pub fn policy(&self, slot: usize) -> Option<usize> {
        self.slots.get(slot)?.as_ref().map(|slot| slot.policy)
    }

    /// The slot for a rule of `policy` on `event`. `whole`: it cannot be told apart from the policy's scope, since that
    /// goes on to children.
    pub fn place(
        &mut self,
        policy: usize,
        event: u16,
        narrowed: &[Predicate],
        whole: bool,
        before: Option<&Slots>,
    ) -> Place {
        let own = self.own[policy];
        let free = |i: usize| !self.taken.contains(&(i, event));
        let fits = |slot: &Slot| slot.policy == policy && slot.meaning.narrowed == narrowed && !slot.meaning.rides;
        let mut all = self.slots.iter().enumerate();
        let mut found = all.find(|(i, slot)| free(*i) && slot.as_ref().is_some_and(fits)).map(|(i, _)| i);
        if narrowed.is_empty() && free(own) {
            found = Some(own);
        }
        let apart = !whole || narrowed.is_empty();
        let place = if let Some(slot) = found {
            Place { slot, new: false, shared: false }
        } else if let Some(slot) = apart.then(|| self.make(policy, narrowed, false, before)).flatten() {
            Place { slot, new: true, shared: false }
        } else {
            self.shared.insert((own, event));
            Place { slot: own, new: false, shared: true }
        };
        self.taken.insert((place.slot, event));
        place
    }

    /// The slot for what `policy` asks of the tasks of findings, and whether it is new; `None` where there is no room. It
    /// goes along with the events that lead to them, so that the kernel decides the scope, but lets none through itself.
    pub fn ride(&mut self, policy: usize, narrowed: &[Predicate], before: Option<&Slots>) -> Option<(usize, bool)> {
        let fits = |slot: &Slot| slot.policy == policy && slot.meaning.narrowed == narrowed && slot.meaning.rides;
        let known = self.slots.iter().position(|slot| slot.as_ref().is_some_and(fits));
        known.map(|slot| (slot, false)).or_else(|| Some((self.make(policy, narrowed, true, before)?, true)))
    }

    /// Slots that only go along with events.
    pub fn riding(&self) -> u64 {
        let all = self.slots.iter().enumerate();
        let riding = all.filter(|(_, slot)| slot.as_ref().is_some_and(|slot| slot.meaning.rides));
        riding.fold(0, |all, (slot, _)| all | 1 << slot)
    }

    fn make(&mut self, policy: usize, narrowed: &[Predicate], rides: bool, before: Option<&Slots>) -> Option<usize> {
        let own = self.slots[self.own[policy]].as_ref()?;
        let meaning = Meaning { narrowed: narrowed.to_vec(), rides, ..own.meaning.clone() };
        let kept = self.kept_slot(&meaning, before);
        let slot = kept.or_else(|| self.slots.iter().position(Option::is_none))?;
        if kept.is_some() {
            self.kept |= 1 << slot;
        }
        self.give(slot, policy, meaning);
        Some(slot)
    }

    /// These slots take all events of a kind, whatever their rules ask of them.
    pub fn share(&mut self, slots: u64, event: u16) {
        self.shared.extend((0..MAX_POLICIES).filter(|slot| slots >> slot & 1 != 0).map(|slot| (slot, event)));
    }

    /// All that are in use.
    pub fn used(&self) -> u64 {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some()).fold(0, |all, (i, _)| all | 1 << i)
    }
}
