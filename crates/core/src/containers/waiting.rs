//! Events of a container whose runtime was asked and has not answered. They wait in their order, for a while, once for each
//! container; those of others go by.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use zerocopy::IntoBytes;

use crate::pipeline::Policies;
use crate::tasks::{Executable, Lineage};

/// How long, in ns.
pub const PATIENCE: u64 = 500_000_000;
/// Bytes that may wait, of all containers together; past it those that waited longest go as they are.
pub const ROOM: usize = 16 << 20;
/// What one takes beside its record.
const OVERHEAD: usize = 128;

/// One that waits.
pub enum Held {
    /// With what was known of its task as it came.
    Event {
        words: Vec<u64>,
        length: usize,
        policies: Arc<Policies>,
        executable: Option<Executable>,
        lineage: Option<Arc<Lineage>>,
        /// As [`crate::format::Context::sha256`].
        sha256: Option<Option<Arc<str>>>,
        /// Signatures have had it.
        detected: bool,
    },
    /// About the container itself: its record is made when all is known.
    Told { event: u16, time: u64, cpu: u16 },
}

impl Held {
    pub fn event(
        bytes: &[u8],
        policies: &Arc<Policies>,
        executable: Option<&Executable>,
        lineage: Option<&Arc<Lineage>>,
    ) -> Held {
        let mut words = vec![0; bytes.len().div_ceil(8)];
        words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Held::Event {
            words,
            length: bytes.len(),
            policies: policies.clone(),
            executable: executable.cloned(),
            lineage: lineage.cloned(),
            sha256: None,
            detected: false,
        }
    }

    /// The same, which signatures have had already.
    #[must_use]
    pub fn after_signatures(mut self) -> Held {
        if let Held::Event { detected, .. } = &mut self {
            *detected = true;
        }
        self
    }

    /// The same, with what is known of the file that was executed.
    #[must_use]
    pub fn with_digest(mut self, digest: Option<Arc<str>>) -> Held {
        if let Held::Event { sha256, .. } = &mut self {
            *sha256 = Some(digest);
        }
        self
    }

    fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Held::Event { words, .. } => words.len() * 8,
                Held::Told { .. } => 0,
            }
    }
}

#[derive(Default)]
struct Queue {
    held: VecDeque<Held>,
    until: u64,
    size: usize,
}

/// By the keys of containers.
#[derive(Default)]
pub struct Waiting {
    queues: FxHashMap<u32, Queue>,
    size: usize,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.size > ROOM
    }

    /// Takes one in. `now`: ns since boot.
    pub fn hold(&mut self, key: u32, held: Held, now: u64) {
        let queue = self.queues.entry(key).or_insert_with(|| Queue { until: now + PATIENCE, ..Queue::default() });
        let size = held.size();
        queue.size += size;
        self.size += size;
        queue.held.push_back(held);
    }

    /// Whether any of the container's wait.
    pub fn has(&self, key: u32) -> bool {
        self.queues.contains_key(&key)
    }

    /// All that wait for a container, in their order.
    pub fn take(&mut self, key: u32) -> VecDeque<Held> {
        let queue = self.queues.remove(&key).unwrap_or_default();
        self.size -= queue.size;
        queue.held
    }

    /// A container whose events have waited long enough, or must make room.
    pub fn overdue(&self, now: u64) -> Option<u32> {
        let (key, queue) = self.queues.iter().min_by_key(|(_, queue)| queue.until)?;
        (queue.until <= now || self.is_full()).then_some(*key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(size: usize) -> Held {
        Held::event(&vec![1; size], &Arc::default(), None, None)
    }

    #[test]
    fn in_order_and_for_a_while() {
        let mut waiting = Waiting::default();
        waiting.hold(1, Held::Told { event: 1, time: 5, cpu: 0 }, 100);
        waiting.hold(1, held(9), 200);
        waiting.hold(2, held(9), 150);
        assert!(waiting.has(1) && !waiting.is_empty());
        assert_eq!(waiting.overdue(100), None);
        assert_eq!(waiting.overdue(99 + PATIENCE), None);
        assert_eq!(waiting.overdue(100 + PATIENCE), Some(1), "by the first that came");
        let all = waiting.take(1);
        assert!(matches!(all[0], Held::Told { .. }));
        assert!(matches!(&all[1], Held::Event { words, length: 9, .. } if words.len() == 2));
        assert_eq!(waiting.overdue(100 + PATIENCE), None);
        assert_eq!(waiting.overdue(150 + PATIENCE), Some(2));
        waiting.take(2);
        assert!(waiting.is_empty() && waiting.size == 0);
    }

    #[test]
    fn in_bounds() {
        let mut waiting = Waiting::default();
        waiting.hold(1, held(8), 1);
        let mut now = 2;
        while waiting.overdue(now).is_none() {
            waiting.hold(2, held(64 << 10), now);
            now += 1;
        }
        assert!(waiting.size <= ROOM + (65 << 10), "{}", waiting.size);
        assert_eq!(waiting.overdue(now), Some(1), "the oldest first");
        waiting.take(1);
        assert_eq!(waiting.overdue(now), Some(2));
        waiting.take(2);
        assert_eq!(waiting.overdue(u64::MAX), None);
    }
}
