//! What is to be traced, as the command line or policy files say it, before anything is made of it.

use serde::Deserialize;

use crate::catalogue::{self, EVENTS};
use crate::dump::{self, Dump};
use crate::filter::{Filter, Rule};
use crate::predicate::Predicate;
use crate::scope::{Scope, MAX_POLICIES};

/// All policies at once. Bit n of every mask is policy n.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub policies: Vec<Policy>,
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
    /// By event index: the policies that select it.
    pub wanted: Vec<u64>,
    pub filter: Filter,
    pub names: Vec<String>,
    /// Memory of the kernel that is to be shown.
    pub dumps: Vec<Dump>,
}

impl Plan {
    /// # Errors
    /// Everything that is wrong with it, in the plan's order.
    pub fn compile(&self) -> Result<Compiled, Vec<PlanError>> {
        let mut errors = Vec::new();
        let mut scope = Scope::default();
        let mut wanted = vec![0; EVENTS.len()];
        let mut filter = Filter::new();
        if self.policies.len() > MAX_POLICIES {
            let message = format!("{} policies: at most {MAX_POLICIES} fit", self.policies.len());
            return Err(vec![PlanError { policy: MAX_POLICIES, rule: None, predicate: None, message }]);
        }
        for (policy, spec) in self.policies.iter().enumerate() {
            let mut fail = |rule, predicate, message| errors.push(PlanError { policy, rule, predicate, message });
            for (i, predicate) in spec.scope.iter().enumerate() {
                if let Err(message) = scope.add(policy, predicate) {
                    fail(None, Some(i), message);
                }
            }
            for (r, rule) in spec.rules.iter().enumerate() {
                let Some((index, event)) = catalogue::by_name(&rule.event) else {
                    let hint = catalogue::nearest_hint(&rule.event, EVENTS.iter().map(|e| e.name));
                    fail(Some(r), None, format!("unknown event {:?}{hint}", rule.event));
                    continue;
                };
                wanted[usize::from(index)] |= 1 << policy;
                let mut compiled = Rule::new(policy);
                for (i, predicate) in rule.filters.iter().enumerate() {
                    if let Err(message) = compiled.add(event, predicate) {
                        fail(Some(r), Some(i), message);
                    }
                }
                filter.add(index, compiled);
            }
        }
        // whom to follow is decided in the kernel, so the kernel must be able to tell
        let undecided = scope.texts.iter().fold(0, |all, text| all | text.undecided) & scope.follow;
        if undecided != 0 {
            let message = "follow goes with texts that have one * at their start or end, or none".into();
            let policy = undecided.trailing_zeros() as usize;
            errors.push(PlanError { policy, rule: None, predicate: None, message });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        scope.finish(self.policies.len());
        filter.take_scope_tests(&scope);
        let names = self.policies.iter().map(|p| p.name.clone()).collect();
        Ok(Compiled { scope, wanted, filter, names, dumps: dump::of(self) })
    }
}
