//! What is to be traced, as the command line or policy files say it, before anything is made of it.

mod detected;

use std::collections::HashMap;

use serde::Deserialize;

use crate::catalogue::{self, EVENTS};
use crate::dump::{self, Dump};
use crate::fields::Fields;
use crate::filter::{Filter, Rule};
use crate::findings;
use crate::predicate::Predicate;
use crate::scope::{Scope, MAX_POLICIES};
use crate::slots::Slots;
use crate::tables::Tables;
use crate::watch::{self, Watches};
use detected::narrowing;
pub use detected::Signature;

/// All policies at once.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub policies: Vec<Policy>,
    /// The packets of all tasks in the scopes of policies are kept in files.
    #[serde(default)]
    pub capture_packets: bool,
    /// Those that look at events; where something is wrong with one, it counts as a policy after the others.
    #[serde(default)]
    pub signatures: Vec<Signature>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Empty: the policy that the command line's flags make.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub scope: Vec<Predicate>,
    pub rules: Vec<PlanRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRule {
    pub event: String,
    #[serde(default)]
    pub filters: Vec<Predicate>,
}

/// What is wrong with a plan, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    pub policy: usize,
    /// `None`: the policy's scope.
    pub rule: Option<usize>,
    pub predicate: Option<usize>,
    /// One line; names the field and the nearest right word.
    pub message: String,
}

/// A plan made ready: what the kernel tests, and what is left to test here.
#[derive(Debug)]
pub struct Compiled {
    pub scope: Scope,
    pub fields: Fields,
    /// The values that scopes and fields are compared with.
    pub tables: Tables,
    /// By event index: the slots that select it.
    pub wanted: Vec<u64>,
    /// By event index: the slots that need it, to show it or for what is derived from it; and those that ride along.
    pub needed: Vec<u64>,
    /// Slots that let no event through by themselves.
    pub riding: u64,
    pub filter: Filter,
    pub names: Vec<String>,
    /// Memory of the kernel that is to be shown.
    pub dumps: Vec<Dump>,
    /// Symbols of shared objects that are to be told of.
    pub watches: Watches,
    pub slots: Slots,
}

impl Plan {
    /// # Errors
    /// Everything that is wrong with it, in the plan's order.
    pub fn compile(&self) -> Result<Compiled, Vec<PlanError>> {
        self.compile_after(None)
    }

    /// As [`Plan::compile`], to replace the plan that has the slots `before`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the plan's order.
    pub fn compile_after(&self, before: Option<&Slots>) -> Result<Compiled, Vec<PlanError>> {
        if self.policies.len() > MAX_POLICIES {
            let message = format!("{} policies: at most {MAX_POLICIES} fit", self.policies.len());
            return Err(vec![PlanError { policy: MAX_POLICIES, rule: None, predicate: None, message }]);
        }
        if self.policies.len() == MAX_POLICIES && self.detects() {
            let message = format!("{MAX_POLICIES} policies, and signatures: together at most {MAX_POLICIES} fit");
            return Err(vec![PlanError { policy: MAX_POLICIES - 1, rule: None, predicate: None, message }]);
        }
        let mut compiler = Compiler::new(self, before);
        compiler.note_sources(&self.signatures);
        for (policy, spec) in self.policies.iter().enumerate() {
            compiler.add_scope(policy, compiler.slots.own(policy), &spec.scope, None);
        }
        for (policy, spec) in self.policies.iter().enumerate() {
            for (r, rule) in spec.rules.iter().enumerate() {
                compiler.add_rule(policy, spec, r, rule);
            }
        }
        for (place, signature) in (self.policies.len()..).zip(&self.signatures) {
            compiler.add_signature(place, signature);
        }
        compiler.finish(self)
    }

    /// Whether it is about findings, too.
    fn detects(&self) -> bool {
        let rules = || self.policies.iter().flat_map(|policy| &policy.rules);
        !self.signatures.is_empty() || rules().any(|rule| findings::by_name(&rule.event).is_some())
    }
}

/// Stands for a policy's name, and can be none's.
const SIGNATURES: &str = "\0signatures";

struct Compiler<'a> {
    before: Option<&'a Slots>,
    slots: Slots,
    scope: Scope,
    tables: Tables,
    wanted: Vec<u64>,
    /// By event index: slots that ride along with it.
    riders: Vec<u64>,
    /// By findings: what their signatures select.
    sources: HashMap<u16, Vec<u16>>,
    /// The policy that signatures are.
    detector: usize,
    filter: Filter,
    watches: Watches,
    errors: Vec<PlanError>,
}

impl<'a> Compiler<'a> {
    fn new(plan: &Plan, before: Option<&'a Slots>) -> Compiler<'a> {
        let mut policies: Vec<_> = plan.policies.iter().map(|policy| (&*policy.name, &*policy.scope)).collect();
        let detector = policies.len();
        let mut filter = Filter::new();
        let detects = plan.detects();
        if detects {
            policies.push((SIGNATURES, &[]));
        }
        let slots = Slots::new(&policies, before);
        filter.signatures = detects.then(|| slots.own(detector));
        Compiler {
            before,
            slots,
            riders: vec![0; EVENTS.len()],
            sources: HashMap::new(),
            detector,
            scope: Scope::default(),
            tables: Tables::default(),
            wanted: vec![0; EVENTS.len()],
            filter,
            watches: Watches::default(),
            errors: Vec::new(),
        }
    }

    /// `rule`: whose predicates these are, at which places among its filters; `None`: the policy's own.
    fn add_scope(&mut self, policy: usize, slot: usize, predicates: &[Predicate], rule: Option<(usize, &[usize])>) {
        for (i, predicate) in predicates.iter().enumerate() {
            if let Err(message) = self.scope.add(&mut self.tables, slot, predicate) {
                let place = rule.map_or(i, |(_, places)| places[i]);
                let rule = rule.map(|(rule, _)| rule);
                self.errors.push(PlanError { policy, rule, predicate: Some(place), message });
            }
        }
    }

    fn add_rule(&mut self, policy: usize, spec: &Policy, r: usize, rule: &PlanRule) {
        let Some((index, event)) = catalogue::by_name(&rule.event) else {
            let known = EVENTS.iter().map(|e| e.name).chain(findings::names());
            let hint = catalogue::nearest_hint(&rule.event, known);
            let message = format!("unknown event {:?}{hint}", rule.event);
            self.errors.push(PlanError { policy, rule: Some(r), predicate: None, message });
            return;
        };
        if event.detection.is_some() {
            return self.add_finding(policy, spec, r, rule, (index, event));
        }
        let (places, narrowed) = narrowing(rule);
        let follows = self.scope.follow >> self.slots.own(policy) & 1 != 0;
        let place = self.slots.place(policy, index, &narrowed, follows, self.before);
        if place.new {
            self.add_scope(policy, place.slot, &spec.scope, None);
            self.add_scope(policy, place.slot, &narrowed, Some((r, &places)));
        }
        self.wanted[usize::from(index)] |= 1 << place.slot;
        let mut compiled = Rule::new(policy, place.slot);
        for (i, predicate) in rule.filters.iter().enumerate() {
            let added = match (places.contains(&i), place.shared) {
                (false, _) if watch::names_symbols(index, predicate) => watch::check(event, predicate),
                (false, _) => compiled.add(event, predicate),
                (true, true) => compiled.add_task(predicate),
                (true, false) => Ok(()),
            };
            if let Err(message) = added {
                self.errors.push(PlanError { policy, rule: Some(r), predicate: Some(i), message });
            }
        }
        self.filter.add(index, compiled);
        self.watches.add(index, place.slot, &rule.filters);
    }

    fn finish(mut self, plan: &Plan) -> Result<Compiled, Vec<PlanError>> {
        // whom to follow is decided in the kernel, so the kernel must be able to tell
        let undecided = self.scope.texts.iter().fold(0, |all, text| all | text.undecided) & self.scope.follow;
        if undecided != 0 {
            let message = "follow goes with texts that have one * at their start or end, or none".into();
            let policy = self.slots.policy(undecided.trailing_zeros() as usize).unwrap_or(0);
            self.errors.push(PlanError { policy, rule: None, predicate: None, message });
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        // what tracee tells of itself is told to everybody
        for policy in 0..plan.policies.len() {
            self.filter.add(catalogue::index::EVENTS_LOST, Rule::new(policy, self.slots.own(policy)));
        }
        // packets are kept whatever the rules of events ask
        for policy in (0..plan.policies.len()).filter(|_| plan.capture_packets) {
            self.wanted[usize::from(catalogue::index::NET_PACKET_RAW)] |= 1 << self.slots.own(policy);
        }
        self.scope.finish(self.slots.used());
        self.filter.take_scope_tests(&self.scope);
        let mut needed = self.wanted.clone();
        let mut riders = self.riders;
        for (index, event) in (0..).zip(&EVENTS) {
            let slots = self.wanted[usize::from(index)];
            // what looks for nothing needs nothing
            let slots = if watch::is_about_symbols(index) { self.watches.slots(index) } else { slots };
            for base in event.bases() {
                needed[usize::from(base)] |= slots;
                riders[usize::from(base)] |= riders[usize::from(index)];
                // what is derived from it is not to miss what is not shown itself
                self.slots.share(slots, base);
            }
        }
        for (needed, riders) in needed.iter_mut().zip(riders).filter(|(needed, _)| **needed != 0) {
            *needed |= riders;
        }
        let fields = Fields::new(&self.filter, &self.slots.shared, &mut self.tables);
        self.tables.finish();
        let names = plan.policies.iter().map(|p| p.name.clone()).collect();
        Ok(Compiled {
            scope: self.scope,
            fields,
            tables: self.tables,
            wanted: self.wanted,
            needed,
            riding: self.slots.riding(),
            filter: self.filter,
            names,
            dumps: dump::of(plan),
            watches: self.watches,
            slots: self.slots,
        })
    }
}
