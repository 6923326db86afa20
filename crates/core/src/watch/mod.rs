//! Which symbols of shared objects are to be told of: the filters on `symbols_loaded` and `symbols_collision` say that, and
//! so those on `data.symbols` are no conditions on the event. Each rule sees the symbols that it names.

mod noise;

use crate::catalogue::{self, index};
use crate::filter::Rule;
use crate::pattern::Pattern;
use crate::predicate::{Op, Predicate};

pub use noise::{are_a_family, is_loader, is_noise};

/// The field that names symbols.
const FIELD: &str = "data.symbols";

/// What one rule looks for.
#[derive(Debug)]
pub struct Watch {
    /// The bit of the rule's slot.
    pub slot: u64,
    yes: Vec<Pattern>,
    no: Vec<Pattern>,
}

/// All rules of both events.
#[derive(Debug, Default)]
pub struct Watches {
    pub loaded: Vec<Watch>,
    pub collision: Vec<Watch>,
}

/// Whether filters on this event say which symbols are meant.
pub fn is_about_symbols(event: u16) -> bool {
    [index::SYMBOLS_LOADED, index::SYMBOLS_COLLISION].contains(&event)
}

/// Whether a filter on this event names symbols.
pub fn names_symbols(event: u16, filter: &Predicate) -> bool {
    is_about_symbols(event) && filter.field == FIELD
}

/// Checks a filter that names symbols as those of all events are.
///
/// # Errors
/// An operator that texts do not take, no value: one line.
pub fn check(event: &catalogue::Event, filter: &Predicate) -> Result<(), String> {
    Rule::new(0, 0).add(event, filter)
}

impl Watches {
    /// Takes in the filters of a rule, where it is for one of the two events. They have been checked.
    pub fn add(&mut self, event: u16, slot: usize, filters: &[Predicate]) {
        let mut watch = Watch { slot: 1 << slot, yes: Vec::new(), no: Vec::new() };
        for filter in filters.iter().filter(|filter| filter.field == FIELD) {
            let side = if filter.op == Op::NotEqual { &mut watch.no } else { &mut watch.yes };
            side.extend(filter.values.iter().map(|value| Pattern::new(value)));
        }
        match event {
            // every object exports something: without a name there is nothing to look for
            index::SYMBOLS_LOADED if !watch.yes.is_empty() => self.loaded.push(watch),
            index::SYMBOLS_COLLISION => self.collision.push(watch),
            _ => {}
        }
    }

    /// Slots of the rules that look for something.
    pub fn slots(&self, event: u16) -> u64 {
        let watches = if event == index::SYMBOLS_LOADED { &self.loaded } else { &self.collision };
        watches.iter().fold(0, |all, watch| all | watch.slot)
    }
}

impl Watch {
    /// Whether a symbol counts. `noise`: it does only where it is named.
    pub fn counts(&self, name: &[u8], noise: bool) -> bool {
        let named = if self.yes.is_empty() { !noise } else { self.yes.iter().any(|yes| yes.matches(name)) };
        named && !self.no.iter().any(|no| no.matches(name))
    }
}
