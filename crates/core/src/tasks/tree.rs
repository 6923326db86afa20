//! The processes, dead ones among them, and who is whose parent.
//!
//! A process whose parent ends gets another: who that is stands with the dead one (its heir), and is looked up when
//! somebody asks. So an end costs the same however many children are left.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::image::{Image, Parts, Texts};
use super::life::{About, Id, Key, Life, TICK};
use super::lineage::{Lineage, MOST_ANCESTORS};
use super::proc::Found;

/// Processes kept, the dead ones included.
pub const MOST_PROCESSES: usize = 1 << 16;
/// The dead among them that nobody descends from; those that have descendants stay as long as there is room.
pub const MOST_DEAD: usize = 4096;
/// So many go at once when there is no room.
const BATCH: usize = MOST_PROCESSES / 64;
/// Bytes of paths, arguments and the like; beyond it processes go as if there were too many.
const MOST_TEXT: usize = 64 << 20;
/// Dead parents that are passed over in search of a living one.
const MOST_HEIRS: usize = 64;

/// Pids in lineages that somebody may keep, before all are looked for anew.
const MOST_ASKED: usize = 4096;

/// Above the first process there is none.
const KERNEL: u32 = 0;

#[derive(Debug, Clone)]
pub struct Process {
    pub id: Id,
    pub ns_pid: u32,
    pub pid_ns: u32,
    pub uid: u32,
    pub comm: [u8; 16],
    pub image: Option<Arc<Image>>,
    pub execs: u32,
    pub end: Option<End>,
    parent: Option<Key>,
    by: Option<Key>,
    /// Processes kept that have this one as their parent, or that it forked, as far as it was known to them.
    refs: u32,
    /// When the one that had this pid before began.
    previous: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    /// ns since boot; 0 where the end was missed, as its status then is.
    pub time: u64,
    pub status: Option<u32>,
    heir: Option<Key>,
}

#[derive(Debug, Default)]
pub struct Tree {
    processes: FxHashMap<Key, Process>,
    /// By pid: when its last holder began.
    newest: FxHashMap<u32, u32>,
    /// The dead without descendants, the first to go first.
    leaves: VecDeque<Key>,
    texts: Texts,
    /// Another when a lineage may have changed that somebody keeps.
    version: u64,
    /// The pids that stand in lineages since.
    asked: FxHashSet<u32>,
    /// Those that went for want of room.
    forgotten: u64,
    /// Pids whose last holder is no longer kept.
    gone: Vec<u32>,
}

impl Tree {
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// Processes that were given up though they lived, or had living descendants, for want of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Pids of which nothing is known any more, since the last call.
    pub fn gone(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.gone)
    }

    /// The last process that had a pid.
    pub fn newest(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&self.newest_key(pid)?)
    }

    fn newest_key(&self, pid: u32) -> Option<Key> {
        Some(Key { pid, tick: *self.newest.get(&pid)? })
    }

    /// All that had a pid, the last one first.
    pub fn holders(&self, pid: u32) -> impl Iterator<Item = &Process> {
        let previous = move |process: &&Process| self.processes.get(&Key { pid, tick: process.previous? });
        std::iter::successors(self.newest(pid), previous)
    }

    pub fn get(&self, key: Key) -> Option<&Process> {
        self.processes.get(&key)
    }

    /// The parent as it is now: `None` where it is not known. Pid 0: there is none.
    pub fn parent(&self, process: &Process) -> Option<Key> {
        let mut parent = process.parent?;
        for _ in 0..MOST_HEIRS {
            let Some(heir) = self.heir(parent) else { break };
            parent = heir;
        }
        Some(parent)
    }

    /// Who took the children of a process when it ended: somebody who lived longer, so that no way leads in a circle.
    fn heir(&self, of: Key) -> Option<Key> {
        let end = self.processes.get(&of)?.end?;
        let heir = end.heir?;
        let lived_longer = |heir: &Process| heir.end.is_none_or(|other| other.time > end.time);
        self.processes.get(&heir).is_none_or(lived_longer).then_some(heir)
    }

    /// Who forked it.
    pub fn forked_by(process: &Process) -> Option<Key> {
        process.by
    }

    /// The ancestors of whoever has `parent` as its parent, to be kept until [`Tree::version`] is another.
    pub fn lineage(&mut self, parent: u32) -> Lineage {
        if parent == KERNEL {
            return Lineage::default();
        }
        if self.asked.len() >= MOST_ASKED {
            self.changed();
        }
        let lineage = self.lineage_from(self.newest_key(parent).unwrap_or(Key { pid: parent, tick: 0 }));
        self.asked.extend(&lineage.pids);
        lineage
    }

    /// A process and its ancestors.
    pub fn lineage_from(&mut self, parent: Key) -> Lineage {
        let mut lineage = Lineage::default();
        let mut next = Some(parent).filter(|parent| parent.pid != KERNEL);
        while let Some(key) = next {
            // pids in a circle cannot be: something was missed
            if lineage.pids.len() == MOST_ANCESTORS || lineage.pids.contains(&key.pid) {
                lineage.cut = true;
                break;
            }
            lineage.pids.push(key.pid);
            let above = self.settle(key);
            lineage.cut = above.is_none();
            next = above.filter(|above| above.pid != KERNEL);
        }
        lineage.pids.reverse();
        lineage
    }

    fn changed(&mut self) {
        self.version += 1;
        self.asked.clear();
    }

    /// What is above this pid is another.
    fn changed_above(&mut self, pid: u32) {
        if self.asked.contains(&pid) {
            self.changed();
        }
    }

    /// Takes in what a control record tells; the pid that it is about.
    pub fn take(&mut self, life: Life) -> u32 {
        match life {
            Life::Fork { child, by } => {
                let image = self.processes.get(&by.key()).and_then(|by| by.image.clone());
                let key = self.meet(&child);
                self.set_by(key, (by.pid != KERNEL).then(|| by.key()));
                if let Some(process) = self.processes.get_mut(&key) {
                    // /proc may have shown it already, and what it came to be since
                    process.image = process.image.take().or(image);
                }
                self.make_room();
                child.id.pid
            }
            Life::Exec { process: about, path, cwd, argv } => {
                let key = self.meet(&about);
                let text = |text: Option<crate::value::Text>| {
                    text.map(|text| crate::value::Text { suffix: "", ..text }.whole().into_owned()).unwrap_or_default()
                };
                let parts = Parts {
                    deleted: path.as_ref().is_some_and(|path| !path.suffix.is_empty()),
                    path: text(path),
                    cwd: text(cwd),
                    argv: argv.map(|argv| argv.bytes.to_vec()).unwrap_or_default(),
                    argv_cut: argv.is_some_and(|argv| argv.flags != 0),
                };
                let image = Image::new(parts, &self.texts);
                if let Some(process) = self.processes.get_mut(&key) {
                    process.image = Some(image);
                    process.execs = process.execs.saturating_add(1);
                }
                self.make_room();
                about.id.pid
            }
            Life::Exit { process: about, heir, status, time } => {
                let key = self.meet(&about);
                let heir = (heir.pid != KERNEL && heir.key() != key).then(|| heir.key());
                self.end(key, End { time, status: Some(status), heir });
                self.make_room();
                about.id.pid
            }
        }
    }

    /// Takes in what /proc shows; whoever is not among them has ended. The pids whose image is another than was known.
    pub fn survey(&mut self, found: Vec<Found>) -> Vec<u32> {
        let mut changed = Vec::new();
        let keys: FxHashMap<Key, u32> = found.iter().map(|f| (Key { pid: f.pid, tick: f.tick }, f.ppid)).collect();
        for found in found {
            self.find(found, &mut changed);
        }
        for (key, ppid) in &keys {
            let parent = if *ppid == KERNEL { Some(Key { pid: KERNEL, tick: 0 }) } else { self.newest_key(*ppid) };
            self.set_parent(*key, parent);
        }
        let living = self.processes.iter().filter(|(_, process)| process.end.is_none());
        let missed: Vec<Key> = living.map(|(key, _)| *key).filter(|key| !keys.contains_key(key)).collect();
        missed.into_iter().for_each(|key| self.end(key, End::default()));
        self.changed();
        self.make_room();
        changed
    }

    /// A process that /proc shows; its pid goes to `changed` where its image is another than was known.
    fn find(&mut self, found: Found, changed: &mut Vec<u32>) {
        let key = Key { pid: found.pid, tick: found.tick };
        let about = About {
            id: Id { pid: found.pid, start: u64::from(found.tick) * TICK },
            ns_pid: found.ns_pid,
            pid_ns: found.pid_ns,
            uid: found.uid,
            comm: found.comm,
            parent: Id { pid: KERNEL, start: 0 },
        };
        let known = self.processes.get_mut(&key).filter(|process| process.end.is_none());
        match known {
            Some(process) => {
                (process.uid, process.comm, process.ns_pid) = (found.uid, found.comm, found.ns_pid);
                process.pid_ns = if found.pid_ns == 0 { process.pid_ns } else { found.pid_ns };
            }
            None => self.insert(key, &about),
        }
        let Some(process) = self.processes.get_mut(&key) else { return };
        let same = match (&process.image, &found.image) {
            (Some(image), Some(parts)) => image.is(parts),
            (image, None) => image.is_none(),
            (None, Some(_)) => false,
        };
        if !same {
            process.image = found.image.map(|parts| Image::new(parts, &self.texts));
            changed.push(key.pid);
        }
    }

    /// The process that a record is about, with what the record tells of it.
    fn meet(&mut self, about: &About) -> Key {
        let key = about.id.key();
        match self.processes.get_mut(&key) {
            // /proc may have missed it, or shown that it had ended before its last records came
            Some(process) if process.end.is_none_or(|end| end.time == 0) => {
                process.end = None;
                process.id = about.id;
                (process.ns_pid, process.pid_ns) = (about.ns_pid, about.pid_ns);
                (process.uid, process.comm) = (about.uid, about.comm);
            }
            // the end told again, since two threads were the last at once
            Some(process) if process.id.start == about.id.start => {}
            // another of that pid within a tick: as good as never
            _ => self.insert(key, about),
        }
        let parent = about.parent.key();
        let now = self.processes.get(&key).and_then(|process| self.parent(process));
        if now != Some(parent) {
            self.changed_above(key.pid);
            self.set_parent(key, Some(parent));
        }
        // of one whose pid another has by now: whoever was passed over on the way up may have been it
        if self.newest.get(&key.pid) != Some(&key.tick) {
            self.changed();
        }
        key
    }

    fn insert(&mut self, key: Key, about: &About) {
        self.remove(key);
        self.changed_above(key.pid);
        let previous = self.succeed(key);
        let process = Process {
            id: about.id,
            ns_pid: about.ns_pid,
            pid_ns: about.pid_ns,
            uid: about.uid,
            comm: about.comm,
            image: None,
            execs: 0,
            end: None,
            parent: None,
            by: None,
            refs: 0,
            previous,
        };
        self.processes.insert(key, process);
    }

    /// Makes it the last holder of its pid, unless one is known that began later; the tick of the holder before it.
    fn succeed(&mut self, key: Key) -> Option<u32> {
        let former = self.newest_key(key.pid).filter(|former| self.processes.contains_key(former));
        let Some(former) = former else {
            self.newest.insert(key.pid, key.tick);
            return None;
        };
        if (key.tick.wrapping_sub(former.tick) as i32) < 0 {
            // /proc has shown the other already
            let later = self.processes.get_mut(&former)?;
            return later.previous.replace(key.tick);
        }
        self.newest.insert(key.pid, key.tick);
        if self.processes.get(&former).is_some_and(|process| process.end.is_none()) {
            self.end(former, End::default()); // that was missed
        }
        Some(former.tick)
    }

    fn end(&mut self, key: Key, end: End) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        let first = process.end.is_none();
        process.end = Some(end);
        if first && process.refs == 0 {
            self.leaves.push_back(key);
        }
        // those below it have another parent
        self.changed_above(key.pid);
    }
}

/// Links, which are counted, so that those without descendants can go first.
impl Tree {
    fn set_parent(&mut self, key: Key, parent: Option<Key>) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        let former = std::mem::replace(&mut process.parent, parent);
        self.relink(former, parent);
    }

    fn set_by(&mut self, key: Key, by: Option<Key>) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        let former = std::mem::replace(&mut process.by, by);
        self.relink(former, by);
    }

    fn relink(&mut self, from: Option<Key>, to: Option<Key>) {
        if from == to {
            return;
        }
        if let Some(to) = to.and_then(|to| self.processes.get_mut(&to)) {
            to.refs += 1;
        }
        let Some(key) = from else { return };
        let Some(from) = self.processes.get_mut(&key) else { return };
        // it may have come to be known only after it was linked
        from.refs = from.refs.saturating_sub(1);
        if from.refs == 0 && from.end.is_some() {
            // its descendants are gone, and it was dead before they were
            self.leaves.push_front(key);
        }
    }

    /// The parent as it is now, kept so that it need not be looked for again.
    fn settle(&mut self, key: Key) -> Option<Key> {
        let process = self.processes.get(&key)?;
        let parent = self.parent(process);
        if parent != process.parent {
            self.set_parent(key, parent);
        }
        parent
    }

    fn remove(&mut self, key: Key) {
        let Some(process) = self.processes.remove(&key) else { return };
        self.changed_above(key.pid);
        if self.newest.get(&key.pid) == Some(&key.tick) {
            match process.previous {
                Some(tick) => self.newest.insert(key.pid, tick),
                None => self.newest.remove(&key.pid),
            };
            self.gone.push(key.pid);
        } else {
            let after =
                self.holders(key.pid).find(|after| after.previous == Some(key.tick)).map(|after| after.id.key());
            if let Some(after) = after.and_then(|after| self.processes.get_mut(&after)) {
                after.previous = process.previous;
            }
        }
        self.relink(process.parent, None);
        self.relink(process.by, None);
    }

    fn make_room(&mut self) {
        let wordy = |tree: &Tree| tree.len() > MOST_DEAD && tree.texts.bytes() > MOST_TEXT;
        let crowded = |tree: &Tree| tree.len() > MOST_PROCESSES || wordy(tree);
        while self.leaves.len() > MOST_DEAD || (!self.leaves.is_empty() && crowded(self)) {
            let Some(key) = self.leaves.pop_front() else { break };
            // one that has been alive again, or has descendants again, in an order of records that cannot be
            if self.processes.get(&key).is_some_and(|process| process.end.is_some() && process.refs == 0) {
                self.remove(key);
            }
        }
        if crowded(self) {
            self.forget_some();
        }
    }

    /// There is no room, and nobody is left that is not missed: the dead go, the oldest first, then the living, those
    /// without children first.
    fn forget_some(&mut self) {
        let keys: Vec<Key> = self.processes.keys().copied().collect();
        keys.iter().for_each(|key| _ = self.settle(*key));
        let rank = |process: &Process| match process.end {
            Some(end) => (0, end.time),
            None => (1 + u8::from(process.refs > 0), process.id.start),
        };
        let mut ranked: Vec<_> = self.processes.iter().map(|(key, process)| (rank(process), *key)).collect();
        let some = BATCH.min(ranked.len());
        if some == 0 {
            return;
        }
        ranked.select_nth_unstable(some - 1);
        self.forgotten += some as u64;
        self.changed();
        ranked.into_iter().take(some).for_each(|(_, key)| self.remove(key));
    }
}
