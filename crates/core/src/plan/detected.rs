//! Rules about what signatures find, and what signatures select.
//!
//! What signatures select are rules of one more policy, whose matches no output sees. What they find is matched in user
//! space, but only the kernel knows some of what a scope asks: so slots with the scopes of rules about findings ride along
//! with the events that can lead to them, and a finding has the slots of its event.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Compiler, PlanError, PlanRule, Policy};
use crate::catalogue::{self, nearest_hint, EVENTS};
use crate::filter::{rule_keys, Rule};
use crate::findings;
use crate::predicate::{Op, Predicate};
use crate::watch;

/// What the signature selects that finds this event.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The kind of its findings, which has been declared.
    pub event: String,
    pub selected: Vec<PlanRule>,
}

/// The predicates of a rule that are about the task, and their places.
pub(super) fn narrowing(rule: &PlanRule) -> (Vec<usize>, Vec<Predicate>) {
    let all = rule.filters.iter().enumerate();
    let narrowing = all.filter(|(_, predicate)| rule_keys().any(|key| key == predicate.field));
    narrowing.map(|(place, predicate)| (place, predicate.clone())).unzip()
}

impl Compiler<'_> {
    /// A rule of a policy about what a signature finds.
    pub(super) fn add_finding(
        &mut self,
        policy: usize,
        spec: &Policy,
        r: usize,
        rule: &PlanRule,
        (index, event): (u16, &'static catalogue::Event),
    ) {
        let (places, narrowed) = narrowing(rule);
        let scope: Vec<&Predicate> = spec.scope.iter().filter(|p| p.field != "global").collect();
        let follows = scope.iter().any(|predicate| predicate.field == "follow");
        // what is followed goes on to children, so it is the whole scope
        let own = if follows { &[][..] } else { &narrowed };
        let everywhere = scope.is_empty() && own.is_empty();
        let ridden = if everywhere { None } else { self.slots.ride(policy, own, self.before) };
        let slot = ridden.map_or_else(|| self.slots.own(self.detector), |(slot, _)| slot);
        if let Some((slot, true)) = ridden {
            self.add_scope(policy, slot, &spec.scope, None);
            self.add_scope(policy, slot, own, Some((r, &places)));
        }
        let mut compiled = Rule::new(policy, slot);
        if ridden.is_none() {
            for (i, predicate) in spec.scope.iter().enumerate().filter(|(_, p)| p.field != "global") {
                if let Err(message) = compiled.add_task(predicate) {
                    self.errors.push(PlanError { policy, rule: None, predicate: Some(i), message });
                }
            }
        }
        for (i, predicate) in rule.filters.iter().enumerate() {
            let added = match places.contains(&i) {
                false => compiled.add(event, predicate),
                true if ridden.is_some() && !follows => Ok(()),
                true => compiled.add_task(predicate),
            };
            if let Err(message) = added {
                self.errors.push(PlanError { policy, rule: Some(r), predicate: Some(i), message });
            }
        }
        self.filter.add(index, compiled);
        if let Some((slot, _)) = ridden {
            for base in self.sources(index) {
                self.riders[usize::from(base)] |= 1 << slot;
            }
        }
    }

    /// The events of the catalogue that can lead to a finding, by other findings also.
    fn sources(&self, finding: u16) -> HashSet<u16> {
        let (mut found, mut seen, mut to_do) = (HashSet::new(), HashSet::from([finding]), vec![finding]);
        while let Some(index) = to_do.pop() {
            for selected in self.sources.get(&index).into_iter().flatten() {
                if findings::number(*selected).is_none() {
                    found.insert(*selected);
                } else if seen.insert(*selected) {
                    to_do.push(*selected);
                }
            }
        }
        found
    }

    /// Notes which events each signature selects; before any rule about findings.
    pub(super) fn note_sources(&mut self, signatures: &[Signature]) {
        for signature in signatures {
            let Some((finding, _)) = findings::by_name(&signature.event) else { continue };
            let selected = signature.selected.iter().filter_map(|rule| Some(catalogue::by_name(&rule.event)?.0));
            self.sources.entry(finding).or_default().extend(selected);
        }
    }

    /// What one signature selects. `place`: what errors call its policy.
    pub(super) fn add_signature(&mut self, place: usize, signature: &Signature) {
        let number = findings::by_name(&signature.event).and_then(|(index, _)| findings::number(index));
        let Some(number) = number else {
            let message = format!("no signature is declared that finds {:?}", signature.event);
            self.errors.push(PlanError { policy: place, rule: None, predicate: None, message });
            return;
        };
        for (r, rule) in signature.selected.iter().enumerate() {
            let fail = |predicate, message| PlanError { policy: place, rule: Some(r), predicate, message };
            let Some((index, event)) = catalogue::by_name(&rule.event) else {
                let known = EVENTS.iter().map(|e| e.name).chain(findings::names());
                let hint = nearest_hint(&rule.event, known);
                self.errors.push(fail(None, format!("unknown event {:?}{hint}", rule.event)));
                continue;
            };
            let (places, narrowed) = narrowing(rule);
            // the kernel knows nothing of findings
            let is_finding = event.detection.is_some();
            let (slot, shared) = if is_finding {
                (self.slots.own(self.detector), true)
            } else {
                let place = self.slots.place(self.detector, index, &narrowed, false, self.before);
                if place.new {
                    let scope = narrowed.iter().zip(&places);
                    for (predicate, at) in scope {
                        if let Err(message) = self.scope.add(&mut self.tables, place.slot, predicate) {
                            self.errors.push(fail(Some(*at), message));
                        }
                    }
                }
                self.wanted[usize::from(index)] |= 1 << place.slot;
                (place.slot, place.shared)
            };
            let mut compiled = Rule::new(usize::from(number), slot);
            for (i, predicate) in rule.filters.iter().enumerate() {
                let added = match (places.contains(&i), shared) {
                    (false, _) if watch::names_symbols(index, predicate) => watch::check(event, predicate),
                    (false, _) if predicate.op == Op::Alone => Err(format!("{:?} is no filter", predicate.field)),
                    (false, _) => compiled.add(event, predicate),
                    (true, true) => compiled.add_task(predicate),
                    (true, false) => Ok(()),
                };
                if let Err(message) = added {
                    self.errors.push(fail(Some(i), message));
                }
            }
            self.filter.add_selected(index, compiled);
            if !is_finding {
                self.watches.add(index, slot, &rule.filters);
            }
        }
    }
}
