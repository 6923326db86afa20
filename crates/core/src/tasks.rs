//! Which program each process runs, from the control records and, for those that were there before, from /proc.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::record::{self, control, Head};
use crate::value::Text;

/// Processes kept, the dead ones included; past it the oldest go.
const MAX_TASKS: usize = 1 << 16;
/// How many exits are remembered before the first is forgotten: its last events may still be on their way.
const MAX_DEAD: usize = 4096;

/// The file that a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    pub path: Arc<[u8]>,
    pub deleted: bool,
    /// New with every exec and fork: whoever kept something made from it can tell that it changed.
    pub serial: u32,
}

#[derive(Debug, Default)]
pub struct Tasks {
    by_pid: FxHashMap<u32, Executable>,
    /// In the order of their making, for forgetting the oldest.
    order: VecDeque<(u32, u32)>,
    dead: VecDeque<(u32, u32)>,
    serial: u32,
}

impl Tasks {
    /// The executable of the process with that pid (as the host sees it), where it is known.
    pub fn executable(&self, pid: u32) -> Option<&Executable> {
        self.by_pid.get(&pid)
    }

    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_pid.is_empty()
    }

    /// Takes in the processes that `proc` (the mount point of procfs) shows.
    ///
    /// # Errors
    /// `proc` cannot be listed. A process that ends meanwhile, or a kernel thread, is passed over.
    pub fn read_proc(&mut self, proc: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(proc)? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if self.by_pid.contains_key(&pid) {
                continue; // an exec told us more recently
            }
            if let Ok(target) = std::fs::read_link(entry.path().join("exe")) {
                let path = target.into_os_string().into_vec();
                let (path, deleted) = match path.strip_suffix(b" (deleted)") {
                    Some(linked) => (linked.to_vec(), true),
                    None => (path, false),
                };
                self.insert(pid, path.into(), deleted);
            }
        }
        Ok(())
    }

    /// Takes in a control record; whether it was one.
    pub fn control(&mut self, head: &Head, rest: &[u8]) -> bool {
        match head.event {
            control::EXEC => {
                if let Some(text) = record::chunks(rest).next().and_then(Text::from_chunk) {
                    let deleted = !text.suffix.is_empty();
                    let path = Text { suffix: "", ..text }.whole().into_owned();
                    self.insert(head.task.host_pid, path.into(), deleted);
                }
            }
            control::FORK => {
                let (tid, pid) = (head.args[0] as u32, head.args[1] as u32);
                if tid == pid {
                    if let Some(parent) = self.by_pid.get(&head.task.host_pid).cloned() {
                        self.insert(pid, parent.path, parent.deleted);
                    }
                }
            }
            control::EXIT => {
                let pid = head.task.host_pid;
                if head.task.host_tid == pid {
                    if let Some(executable) = self.by_pid.get(&pid) {
                        self.dead.push_back((pid, executable.serial));
                    }
                    if self.dead.len() > MAX_DEAD {
                        let (pid, serial) = self.dead.pop_front().expect("it is not empty");
                        self.forget(pid, serial);
                    }
                }
            }
            _ => return false,
        }
        true
    }

    fn insert(&mut self, pid: u32, path: Arc<[u8]>, deleted: bool) {
        self.serial = self.serial.wrapping_add(1);
        self.by_pid.insert(pid, Executable { path, deleted, serial: self.serial });
        self.order.push_back((pid, self.serial));
        while self.order.len() > MAX_TASKS {
            let (pid, serial) = self.order.pop_front().expect("it is not empty");
            self.forget(pid, serial);
        }
    }

    /// Unless the pid has been taken by another since.
    fn forget(&mut self, pid: u32, serial: u32) {
        if self.by_pid.get(&pid).is_some_and(|e| e.serial == serial) {
            self.by_pid.remove(&pid);
        }
    }
}
