//! Names that rules look for, as lists that go into events.

use tracee_core::watch::Watch;

/// Bytes of one list; `LIST_MAX` of bpf/include/buffer.h
const MOST: usize = 32 << 10;

/// What some rules find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Of these rules.
    pub slots: u64,
    /// The names, each with its NUL.
    pub text: Box<[u8]>,
    /// There are more.
    pub cut: bool,
}

/// Each list once, and none that is empty.
pub type Lists = Vec<List>;

/// What the rules find in `names`, each with whether it is noise.
pub fn of<'a>(watches: &[Watch], names: impl Iterator<Item = (&'a [u8], bool)> + Clone) -> Lists {
    let mut lists = Lists::new();
    for rule in watches {
        let (mut text, mut cut) = (Vec::new(), false);
        for (name, _) in names.clone().filter(|(name, noise)| rule.counts(name, *noise)) {
            if text.len() + name.len() >= MOST {
                cut = true;
                break;
            }
            text.extend_from_slice(name);
            text.push(0);
        }
        match lists.iter_mut().find(|list| *list.text == text) {
            Some(list) => list.slots |= rule.slot,
            None if text.is_empty() => {}
            None => lists.push(List { slots: rule.slot, text: text.into(), cut }),
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use tracee_core::plan::Plan;

    use super::*;

    #[test]
    fn rules_that_find_the_same_share_a_list() {
        let rule = |symbols: &str| {
            let filter = serde_json::json!({"field": "data.symbols", "op": "=", "values": [symbols]});
            serde_json::json!({"rules": [{"event": "symbols_loaded", "filters": [filter]}]})
        };
        let policies = [rule("a*"), rule("b"), rule("ab"), rule("c")];
        let plan: Plan = serde_json::from_value(serde_json::json!({"policies": policies})).expect("a plan");
        let watches = plan.compile().expect("a good plan").watches;
        let names = [&b"ab"[..], b"b"].into_iter().map(|name| (name, false));
        let found = of(&watches.loaded, names);
        let found: Vec<_> = found.iter().map(|list| (list.slots, &*list.text, list.cut)).collect();
        assert_eq!(found, [(0b101, &b"ab\0"[..], false), (0b10, b"b\0", false)]);
    }

    #[test]
    fn long_lists_are_cut() {
        let rules = serde_json::json!([{"event": "symbols_collision"}]);
        let plan: Plan = serde_json::from_value(serde_json::json!({"policies": [{"rules": rules}]})).expect("a plan");
        let watches = plan.compile().expect("a good plan").watches;
        let name = [b'x'; 100];
        let found = of(&watches.collision, std::iter::repeat_n((&name[..], false), 1000));
        assert!(found[0].cut && found[0].text.len() <= MOST && found[0].text.len() > MOST - 200);
    }
}
