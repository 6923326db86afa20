//! Looking processes up from other threads.

use std::sync::{Arc, Mutex};

use super::image::Image;
use super::life::Id;
use super::lineage::Lineage;
use super::lock;
use super::tree::{End, Process, Tree};

/// A start time is no more than so many ns off: it was read from a clock that may have been set since.
const NEAR: u64 = 1_000_000_000;

/// The tree of processes, to be asked by any thread; a question takes the reader's time for as long as a look into a
/// table takes.
#[derive(Debug, Clone)]
pub struct Processes {
    tree: Arc<Mutex<Tree>>,
}

/// A process as it was when it was looked up.
#[derive(Debug, Clone)]
pub struct Known {
    pub process: Process,
    /// Pid 0: the kernel; `None`: not known. A start of 0 is not known.
    pub parent: Option<Id>,
    /// Who forked it, dead or alive; `None`: not known, as of what was there before us.
    pub forked_by: Option<Id>,
    pub lineage: Lineage,
}

impl Known {
    pub fn image(&self) -> Option<&Image> {
        self.process.image.as_deref()
    }

    pub fn end(&self) -> Option<End> {
        self.process.end
    }
}

impl Processes {
    pub(super) fn new(tree: Arc<Mutex<Tree>>) -> Processes {
        Processes { tree }
    }

    /// The process with that pid on the host: the last one, or the one that began nearest to `start` (ns since boot).
    pub fn get(&self, pid: u32, start: Option<u64>) -> Option<Known> {
        let mut tree = lock(&self.tree);
        let process = match start {
            None => tree.newest(pid),
            Some(start) => tree
                .holders(pid)
                .map(|holder| (holder.id.start.abs_diff(start), holder))
                .min_by_key(|(difference, _)| *difference)
                .filter(|(difference, _)| *difference <= NEAR)
                .map(|(_, holder)| holder),
        };
        let process = process?.clone();
        let id = |key| tree.get(key).map_or(Id { pid: key.pid, start: 0 }, |process| process.id);
        let above = tree.parent(&process);
        let parent = above.map(id);
        let forked_by = Tree::forked_by(&process).map(id);
        let lineage = match above {
            Some(above) => tree.lineage_from(above),
            None => Lineage { cut: true, ..Lineage::default() },
        };
        Some(Known { process, parent, forked_by, lineage })
    }

    /// Processes that are known, and those given up for want of room though they lived or had living descendants.
    pub fn counts(&self) -> (usize, u64) {
        let tree = lock(&self.tree);
        (tree.len(), tree.forgotten())
    }
}
