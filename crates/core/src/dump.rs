//! What of the kernel's memory is to be shown: the filters on `print_mem_dump` say where it is.

use crate::catalogue::{index, EVENTS};
use crate::plan::Plan;
use crate::predicate::{Op, Predicate};

const LENGTH: u64 = 16;
/// Bytes that are shown at most.
pub const MOST: u64 = 4096;

/// One place in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    pub place: Place,
    /// Bytes, 1 to [`MOST`].
    pub length: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Address(u64),
    /// The owner: a module, or `system`; `None`: whoever has it.
    Symbol {
        name: String,
        owner: Option<String>,
    },
}

/// The places that a plan's filters name: `data.symbol_name` or `data.address`, with `data.length`,
/// `data.symbol_owner`. Values that make no sense are told by the filters themselves.
pub fn of(plan: &Plan) -> Vec<Dump> {
    let rules = plan.policies.iter().flat_map(|policy| &policy.rules);
    let mut dumps: Vec<Dump> = Vec::new();
    let event = EVENTS[usize::from(index::PRINT_MEM_DUMP)].name;
    for rule in rules.filter(|rule| rule.event == event) {
        let lengths = values(&rule.filters, "data.length").filter_map(number).filter(|n| (1..=MOST).contains(n));
        let lengths: Vec<u64> = lengths.collect();
        let owner = values(&rule.filters, "data.symbol_owner").next();
        let symbols = values(&rule.filters, "data.symbol_name")
            .map(|name| Place::Symbol { name: name.to_owned(), owner: owner.map(str::to_owned) });
        let addresses = values(&rule.filters, "data.address").filter_map(number).map(Place::Address);
        for place in symbols.chain(addresses) {
            let lengths = if lengths.is_empty() { &[LENGTH][..] } else { &lengths };
            let wanted = lengths.iter().map(|length| Dump { place: place.clone(), length: *length });
            for dump in wanted {
                if !dumps.contains(&dump) {
                    dumps.push(dump);
                }
            }
        }
    }
    dumps
}

fn values<'a>(filters: &'a [Predicate], field: &'a str) -> impl Iterator<Item = &'a str> {
    let named = filters.iter().filter(move |filter| filter.field == field && filter.op == Op::Equal);
    named.flat_map(|filter| filter.values.iter().map(String::as_str))
}

fn number(word: &str) -> Option<u64> {
    word.strip_prefix("0x").map_or_else(|| word.parse().ok(), |digits| u64::from_str_radix(digits, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PlanRule, Policy};

    fn plan(filters: &[(&str, &str)]) -> Plan {
        let filter = |(field, value): &(&str, &str)| Predicate {
            field: (*field).into(),
            op: Op::Equal,
            values: value.split(',').map(str::to_owned).collect(),
        };
        let rule = PlanRule {
            event: EVENTS[usize::from(index::PRINT_MEM_DUMP)].name.into(),
            filters: filters.iter().map(filter).collect(),
        };
        Plan { policies: vec![Policy { rules: vec![rule], ..Policy::default() }], ..Plan::default() }
    }

    #[test]
    fn filters_name_the_places() {
        assert_eq!(of(&plan(&[])), []);
        let symbol = |name: &str| Place::Symbol { name: name.into(), owner: None };
        let two = of(&plan(&[("data.symbol_name", "_stext,do_exit"), ("data.length", "0x20")]));
        assert_eq!(two, [Dump { place: symbol("_stext"), length: 32 }, Dump { place: symbol("do_exit"), length: 32 }]);
        let address = of(&plan(&[("data.address", "0xffffffff81000000"), ("data.length", "5000")]));
        assert_eq!(address, [Dump { place: Place::Address(0xffff_ffff_8100_0000), length: LENGTH }]);
    }
}
