//! The processes of the machine: which program each runs, who its ancestors are. Kept from the control records, whatever
//! is traced, and for those that were there before from /proc.

pub mod image;
mod life;
pub mod lineage;
mod look;
mod proc;
mod tree;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::record::Head;
pub use life::Id;
use life::Life;
pub use lineage::{Lineage, Lineages};
pub use look::{Known, Processes};
pub use proc::Depth;
use tree::Tree;

/// The file that a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    pub path: Arc<[u8]>,
    pub deleted: bool,
    /// New with every exec and fork: whoever kept something made from it can tell that it changed.
    pub serial: u32,
}

/// The reader's view. What every event asks for it has to itself; the tree is shared with whoever looks things up, and
/// locked only when a process begins, execs or ends.
#[derive(Debug, Default)]
pub struct Tasks {
    by_pid: FxHashMap<u32, Executable>,
    serial: u32,
    version: u64,
    tree: Arc<Mutex<Tree>>,
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// The executable of the process with that pid (as the host sees it), where it is known.
    #[inline]
    pub fn executable(&self, pid: u32) -> Option<&Executable> {
        self.by_pid.get(&pid)
    }

    /// Another when what [`Tasks::lineage`] says may have changed.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The ancestors of a process whose parent has that pid.
    pub fn lineage(&self, parent: u32) -> Lineage {
        lock(&self.tree).lineage(parent)
    }

    /// For other threads.
    pub fn processes(&self) -> Processes {
        Processes::new(self.tree.clone())
    }

    pub fn len(&self) -> usize {
        lock(&self.tree).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in the processes that `proc` (the mount point of procfs) shows, and those that have ended are dead. All
    /// records up to now must have been taken; those of what happens meanwhile may be taken afterwards.
    ///
    /// # Errors
    /// `proc` cannot be listed. A process that ends meanwhile is passed over.
    pub fn read_proc(&mut self, proc: &Path, depth: Depth) -> std::io::Result<()> {
        let found = proc::read(proc, depth)?;
        let tree = self.tree.clone();
        let mut tree = lock(&tree);
        for pid in tree.survey(found) {
            self.refresh(&tree, pid);
        }
        self.follow(&mut tree);
        Ok(())
    }

    /// Takes in a control record; whether it was one.
    pub fn control(&mut self, head: &Head, rest: &[u8]) -> bool {
        let Some(life) = Life::read(head, rest) else { return false };
        let ends = matches!(life, Life::Exit { .. });
        let tree = self.tree.clone();
        let mut tree = lock(&tree);
        let pid = tree.take(life);
        if !ends {
            self.refresh(&tree, pid);
        }
        self.follow(&mut tree);
        true
    }

    /// The program of a process is another one.
    fn refresh(&mut self, tree: &Tree, pid: u32) {
        let image = tree.newest(pid).and_then(|process| process.image.as_ref());
        let Some(image) = image else {
            self.by_pid.remove(&pid);
            return;
        };
        self.serial = self.serial.wrapping_add(1);
        let executable = Executable { path: image.path.clone(), deleted: image.deleted, serial: self.serial };
        self.by_pid.insert(pid, executable);
    }

    /// What went for want of room, and whether ancestors have changed.
    fn follow(&mut self, tree: &mut Tree) {
        self.version = tree.version();
        for pid in tree.gone() {
            if tree.newest(pid).is_none() {
                self.by_pid.remove(&pid);
            }
        }
    }
}
