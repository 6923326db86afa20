//! What was used last is kept, within bounds.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

pub struct Lru<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// By when they were used.
    order: BTreeMap<u64, K>,
    uses: u64,
    weight: usize,
    most: usize,
    most_weight: usize,
}

struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    /// At most so many entries, which weigh at most so many bytes together.
    pub fn new(most: usize, most_weight: usize) -> Lru<K, V> {
        Lru { entries: HashMap::new(), order: BTreeMap::new(), uses: 0, weight: 0, most, most_weight }
    }

    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.used);
        entry.used = self.uses;
        self.order.insert(self.uses, key.clone());
        Some(&mut entry.value)
    }

    /// Puts it in the place of what was there; the oldest go until all fits, at last the new one too.
    pub fn insert(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        self.uses += 1;
        self.order.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { value, weight, used: self.uses });
        self.weight += weight;
        self.shrink();
    }

    /// What is there weighs something else now.
    pub fn weigh(&mut self, key: &K, weight: usize) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.weight = self.weight - entry.weight + weight;
            entry.weight = weight;
            self.shrink();
        }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.used);
        self.weight -= entry.weight;
        Some(entry.value)
    }

    fn shrink(&mut self) {
        while self.entries.len() > self.most || self.weight > self.most_weight {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.weight -= entry.weight;
            }
        }
    }

    /// Keys, the oldest first.
    #[cfg(test)]
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.order.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut lru = Lru::new(2, 100);
        lru.insert("a", 1, 10);
        lru.insert("b", 2, 10);
        assert_eq!(lru.get(&"a"), Some(&mut 1));
        lru.insert("c", 3, 10);
        assert_eq!(lru.keys().collect::<Vec<_>>(), [&"a", &"c"]);
        assert_eq!(lru.get(&"b"), None);
        // by weight
        lru.insert("d", 4, 95);
        assert_eq!(lru.keys().collect::<Vec<_>>(), [&"d"]);
        lru.weigh(&"d", 5);
        lru.insert("e", 5, 95);
        assert_eq!(lru.keys().collect::<Vec<_>>(), [&"d", &"e"]);
        // one that fits nowhere
        lru.insert("f", 6, 101);
        assert_eq!((lru.keys().count(), lru.weight), (0, 0));
        lru.insert("g", 7, 1);
        assert_eq!(lru.remove(&"g"), Some(7));
        assert_eq!((lru.order.len(), lru.weight), (0, 0));
    }
}
