//! `option:exec-hash`: an exec comes with the SHA-256 of its file, which another thread finds out. The events of a file
//! that is being read wait for that, for a while; those of others go by.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use lru::LruCache;
use rustc_hash::FxHashMap;

use super::Pipeline;
use crate::catalogue::index;
use crate::containers::waiting::Held;
use crate::event::Event;
use crate::value::Value;

/// Digests that are kept.
const MOST_KNOWN: NonZeroUsize = NonZeroUsize::new(8192).unwrap();
/// Events that may wait.
const MOST_HELD: usize = 4096;
/// How long one waits, in ns.
const PATIENCE: u64 = 2_000_000_000;

/// A file as it was when it was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    /// As stat(2) has it.
    pub device: u64,
    pub inode: u64,
    /// ns since 1970
    pub ctime: u64,
}

/// What is to be read.
#[derive(Debug)]
pub struct Question {
    pub version: Version,
    pub path: Vec<u8>,
    /// Who executed it, and its parent.
    pub processes: [u32; 2],
}

/// A file's SHA-256 in hexadecimal; `None`: it could not be read.
pub type Answer = (Version, Option<Arc<str>>);

/// The reader's end of the thread that reads files.
pub struct Hashes {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    known: LruCache<Version, Arc<str>>,
    waiting: FxHashMap<Version, Vec<Waits>>,
    held: usize,
}

/// An event of a file that is being read, with the key of its container.
struct Waits {
    held: Held,
    container: Option<u32>,
    /// ns since boot
    until: u64,
}

/// What is known of an event's file.
pub(super) enum Digest {
    /// That, or that it cannot be had.
    Known(Option<Arc<str>>),
    /// It is being read.
    Asked(Version),
}

impl Hashes {
    pub fn new(questions: Sender<Question>, answers: Receiver<Answer>) -> Hashes {
        Hashes { questions, answers, known: LruCache::new(MOST_KNOWN), waiting: FxHashMap::default(), held: 0 }
    }

    fn look(&mut self, event: &Event) -> Digest {
        let argument = |name: &str| event.info.args.iter().position(|arg| arg.name == name).map(|i| event.value(i));
        let number = |name| match argument(name) {
            Some(Value::Uint(n)) => Some(n),
            Some(Value::Int(n)) => u64::try_from(n).ok(),
            _ => None,
        };
        let identity = (number("dev"), number("inode"), number("ctime"), argument("pathname"));
        let (Some(device), Some(inode), Some(ctime), Some(Value::Text(path))) = identity else {
            return Digest::Known(None);
        };
        let version = Version { device, inode, ctime };
        if let Some(digest) = self.known.get(&version) {
            return Digest::Known(Some(digest.clone()));
        }
        if self.held >= MOST_HELD {
            return Digest::Known(None);
        }
        if !self.waiting.contains_key(&version) {
            let task = &event.head.task;
            let processes = [task.host_pid, task.host_ppid];
            match self.questions.try_send(Question { version, path: path.bytes.to_vec(), processes }) {
                Ok(()) => {}
                // it is behind, or has ended
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Digest::Known(None),
            }
        }
        Digest::Asked(version)
    }

    fn hold(&mut self, version: Version, held: Held, container: Option<u32>, until: u64) {
        self.held += 1;
        self.waiting.entry(version).or_default().push(Waits { held, container, until });
    }

    fn take(&mut self, version: &Version) -> Vec<Waits> {
        let taken = self.waiting.remove(version).unwrap_or_default();
        self.held -= taken.len();
        taken
    }
}

impl Pipeline {
    /// Events of executions come with their files' digests.
    pub fn hash_executables(&mut self, hashes: Hashes) {
        self.hashes = Some(hashes);
    }

    /// What is known of the file that an event executed; `None` where that is not asked for.
    pub(super) fn digest(&mut self, event: &Event) -> Option<Digest> {
        let hashes = self.hashes.as_mut().filter(|_| event.head.event == index::SCHED_PROCESS_EXEC)?;
        Some(hashes.look(event))
    }

    pub(super) fn hold_for_digest(&mut self, version: Version, held: Held, container: Option<u32>) {
        let until = self.now + PATIENCE;
        if let Some(hashes) = &mut self.hashes {
            hashes.hold(version, held, container, until);
        }
    }

    pub(super) fn waits_for_digests(&self) -> bool {
        self.hashes.as_ref().is_some_and(|hashes| hashes.held > 0)
    }

    /// Lets go the events whose files have been read, or that have waited long enough.
    pub(super) fn settle_digests(&mut self, now: u64) {
        let Some(hashes) = &mut self.hashes else { return };
        let mut ready = Vec::new();
        while let Ok((version, digest)) = hashes.answers.try_recv() {
            if let Some(digest) = &digest {
                hashes.known.put(version, digest.clone());
            }
            ready.push((version, digest));
        }
        let overdue = hashes.waiting.iter().filter(|(_, waits)| waits.first().is_some_and(|first| first.until <= now));
        ready.extend(overdue.map(|(version, _)| (*version, None)).collect::<Vec<_>>());
        let taken: Vec<_> = ready.into_iter().map(|(version, digest)| (hashes.take(&version), digest)).collect();
        for (waits, digest) in taken {
            for Waits { held, container, .. } in waits {
                let held = held.with_digest(digest.clone());
                let (_, asked) = self.subject(container);
                match container.filter(|_| asked) {
                    Some(key) => self.hold(key, held),
                    None => self.let_go(container, held),
                }
            }
        }
    }
}
