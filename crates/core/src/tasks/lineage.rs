//! The ancestors of a process, as events show them.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Tasks;

/// More ancestors than this are cut: the nearest stay.
pub const MOST_ANCESTORS: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Host pids, the oldest first and the parent last.
    pub pids: SmallVec<[u32; 12]>,
    /// There are older ones: too many, or not known.
    pub cut: bool,
}

/// Lineages by parent, as they are now. Bounded: a slot has room for one.
pub struct Lineages {
    slots: Vec<Slot>,
}

#[derive(Default, Clone)]
struct Slot {
    parent: u32,
    version: u64,
    lineage: Arc<Lineage>,
}

impl Lineages {
    const SLOTS: usize = 1024;

    pub fn new() -> Lineages {
        Lineages { slots: vec![Slot::default(); Self::SLOTS] }
    }

    /// The ancestors of whoever has `parent` as its parent. Looked for again only when a process that has children has
    /// gone; what comes out the same is the same object.
    #[inline]
    pub fn below(&mut self, parent: u32, tasks: &Tasks) -> &Arc<Lineage> {
        let slot = &mut self.slots[parent as usize % Self::SLOTS];
        if slot.parent != parent || slot.version != tasks.version() {
            slot.refresh(parent, tasks);
        }
        &slot.lineage
    }
}

impl Default for Lineages {
    fn default() -> Lineages {
        Lineages::new()
    }
}

impl Slot {
    #[cold]
    fn refresh(&mut self, parent: u32, tasks: &Tasks) {
        let lineage = tasks.lineage(parent);
        if *self.lineage != lineage {
            self.lineage = Arc::new(lineage);
        }
        self.parent = parent;
        self.version = tasks.version();
    }
}
