//! What the reader knows, for other threads to look up: bounded, the oldest go first.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

/// One shelf; its copies are the same shelf.
pub struct Shelf<K: Hash + Eq, V> {
    kept: Arc<Mutex<LruCache<K, V>>>,
    room: usize,
}

impl<K: Hash + Eq, V: Clone> Shelf<K, V> {
    /// With room for so many.
    pub fn new(room: usize) -> Shelf<K, V> {
        Shelf { kept: Arc::new(Mutex::new(LruCache::unbounded())), room }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<K, V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, key: K, value: V) {
        let mut kept = self.lock();
        kept.put(key, value);
        if kept.len() > self.room {
            kept.pop_lru();
        }
    }

    pub fn get(&self, key: &K) -> Option<V> {
        self.lock().peek(key).cloned()
    }
}

impl<K: Hash + Eq, V> Clone for Shelf<K, V> {
    fn clone(&self) -> Shelf<K, V> {
        Shelf { kept: self.kept.clone(), room: self.room }
    }
}

impl<K: Hash + Eq, V> fmt::Debug for Shelf<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("room", &self.room).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let shelf = Shelf::new(2);
        let copy = shelf.clone();
        (1..=3).for_each(|key| shelf.put(key, key * 10));
        assert_eq!((copy.get(&1), copy.get(&2), copy.get(&3)), (None, Some(20), Some(30)));
        shelf.put(2, 21);
        shelf.put(4, 40);
        assert_eq!((copy.get(&2), copy.get(&3)), (Some(21), None));
    }
}
