//! Where control records were lost, the tree of processes is wrong until it has been read anew.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tracee_core::tasks::{Depth, Tasks};
use tracee_core::time::since_boot;

/// The inode of the host's own pid namespace, on every kernel.
const HOST_PIDS: u64 = 0xefff_fffc;
/// At most one second in so many goes into reading /proc anew, ...
const SHARE: u32 = 20;
/// ... and not more often than this.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes in the processes that /proc shows.
///
/// # Errors
/// It cannot be listed, or shows pids that are not the host's.
pub fn survey(tasks: &mut Tasks, depth: Depth) -> io::Result<()> {
    if std::fs::metadata("/proc/self/ns/pid")?.ino() != HOST_PIDS {
        return Err(io::Error::other("not the host's pid namespace"));
    }
    tasks.read_proc(Path::new("/proc"), depth)
}

pub struct Healer {
    depth: Depth,
    /// Control records lost, as far as that has been healed.
    healed: u64,
    /// Losses were seen: how many, and when, in ns since boot.
    seen: Option<(u64, u64)>,
    not_before: Instant,
}

impl Healer {
    pub fn new(depth: Depth) -> Healer {
        Healer { depth, healed: 0, seen: None, not_before: Instant::now() }
    }

    /// `lost`: control records so far. All others up to `until`, in ns since boot, have been taken: those before a loss
    /// must be, or they would undo what /proc says. Whether the tree was read anew.
    ///
    /// # Errors
    /// As for [`survey`]; it will not be tried again before more is lost.
    pub fn look(&mut self, lost: u64, until: u64, tasks: &mut Tasks) -> io::Result<bool> {
        if lost == self.healed {
            return Ok(false);
        }
        let (lost, seen) = *self.seen.get_or_insert_with(|| (lost, since_boot()));
        if until <= seen || Instant::now() < self.not_before {
            return Ok(false);
        }
        (self.healed, self.seen) = (lost, None);
        let began = Instant::now();
        survey(tasks, self.depth)?;
        self.not_before = Instant::now() + PAUSE.max(began.elapsed() * SHARE);
        Ok(true)
    }
}
