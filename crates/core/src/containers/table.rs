//! Which container a cgroup belongs to. Kept from the control records of cgroups made and removed, from a walk when tracing
//! begins, and for a cgroup that neither told of from a look-up.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::conditions::{Conditions, Subject};
use super::details::{Details, Metadata};
use super::path;
use crate::shelf::Shelf;
use crate::tables::BANKS;

/// Cgroups kept; past it those of the host are forgotten, and looked up again.
const MOST_CGROUPS: usize = 1 << 16;
/// Containers kept at once; beyond it they count as the host.
const MOST_CONTAINERS: usize = 1 << 14;
/// Look-ups in a second of a cgroup that nothing told of.
const LOOK_UPS: u32 = 200;
const SECOND: u64 = 1_000_000_000;

/// What the machine tells of cgroups beyond the records.
pub trait Machine: Send {
    /// The path of a cgroup from the root of its hierarchy; `None` where it is gone.
    fn path(&mut self, cgroup: u64) -> Option<Vec<u8>>;

    /// The runtime of the container `id` in the folder of cgroups `parent`, where there is one that is so called.
    fn runtime(&self, parent: &str, id: &str) -> Option<&'static str>;
}

/// What a runtime is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    /// Empty where the path does not tell.
    pub runtime: String,
    pub path: String,
}

/// What the kernel side is to know of a cgroup: by bank the slots that may pass; `None`: it is none of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub cgroup: u64,
    pub slots: Option<[u64; BANKS as usize]>,
}

/// How far the answer of a runtime is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is on its way, and waited for.
    Asked,
    /// It is no longer waited for.
    Late,
    /// Nothing more will come.
    Known,
}

#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    /// Slots that may pass once more is known ...
    may: u64,
    /// ... and those that pass by what is known.
    held: u64,
}

#[derive(Debug)]
struct Entry {
    details: Arc<Details>,
    path: String,
    /// Of its own cgroup; 0 where that was not seen.
    own: u64,
    /// All of its cgroups.
    cgroups: Vec<u64>,
    standing: Standing,
    /// Its own cgroup was removed.
    gone: bool,
    passed: [Passed; BANKS as usize],
}

/// The container of an event.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'a> {
    pub key: u32,
    pub details: &'a Arc<Details>,
    pub standing: Standing,
}

/// Containers that other threads can look up, those that have gone counted.
const MOST_LOOKED_UP: usize = 1 << 12;

/// What is known of containers, by id, for other threads: those that are there, and those that went not long ago.
pub type Shown = Shelf<String, Arc<Details>>;

/// All cgroups and containers.
pub struct Containers {
    by_cgroup: FxHashMap<u64, Option<u32>>,
    entries: FxHashMap<u32, Entry>,
    by_id: FxHashMap<String, u32>,
    next_key: u32,
    serial: u32,
    conditions: [Conditions; BANKS as usize],
    host: [u64; BANKS as usize],
    asks: bool,
    machine: Option<Box<dyn Machine>>,
    /// Since a time, how many look-ups were made.
    looked_up: (u64, u32),
    questions: Vec<Question>,
    changes: Vec<Change>,
    /// Containers that had no room.
    pub turned_away: u64,
    shown: Shown,
}

impl Default for Containers {
    fn default() -> Containers {
        Containers {
            by_cgroup: FxHashMap::default(),
            entries: FxHashMap::default(),
            by_id: FxHashMap::default(),
            next_key: 0,
            serial: 0,
            conditions: Default::default(),
            host: Default::default(),
            asks: false,
            machine: None,
            looked_up: (0, 0),
            questions: Vec::new(),
            changes: Vec::new(),
            turned_away: 0,
            shown: Shown::new(MOST_LOOKED_UP),
        }
    }
}

impl Containers {
    /// For other threads.
    pub fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// `machine`: for what the records do not tell.
    pub fn set_machine(&mut self, machine: Box<dyn Machine>) {
        self.machine = Some(machine);
    }

    /// From now on runtimes are asked, also of the containers that are known already.
    pub fn ask(&mut self) {
        self.asks = true;
        let keys: Vec<u32> = self.entries.keys().copied().collect();
        for key in keys {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.standing = Standing::Asked;
                let (id, runtime) = (entry.details.id.clone(), entry.details.runtime().to_owned());
                self.questions.push(Question { id, runtime, path: entry.path.clone() });
            }
            self.decide(key);
        }
    }

    /// What the plan of a bank asks of containers.
    pub fn set_conditions(&mut self, bank: usize, conditions: &Conditions) {
        let bank = bank % BANKS as usize;
        self.conditions[bank] = conditions.clone();
        self.host[bank] = conditions.passed(Subject::default());
        let keys: Vec<u32> = self.entries.keys().copied().collect();
        keys.into_iter().for_each(|key| self.decide(key));
    }

    /// The container that a cgroup belongs to. `time`: of the event that asks, in ns since boot. May make one that is new,
    /// whose key comes second.
    pub fn find(&mut self, cgroup: u64, time: u64) -> (Option<u32>, bool) {
        match self.by_cgroup.get(&cgroup) {
            Some(key) => (*key, false),
            None if cgroup == 0 => (None, false),
            None => self.look_up(cgroup, time),
        }
    }

    pub fn inside(&self, key: u32) -> Option<Inside<'_>> {
        let entry = self.entries.get(&key)?;
        Some(Inside { key, details: &entry.details, standing: entry.standing })
    }

    /// The cgroup that stands for a container.
    pub fn cgroup(&self, key: u32) -> u64 {
        let entry = self.entries.get(&key);
        entry.map_or(0, |entry| if entry.own == 0 { entry.cgroups.first().copied().unwrap_or(0) } else { entry.own })
    }

    /// Keys of all containers.
    pub fn keys(&self) -> Vec<u32> {
        let mut keys: Vec<u32> = self.entries.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// The slots of a bank that pass for what is in a container, or on the host. `open`: those too that may pass once more
    /// is known.
    pub fn passed(&self, key: Option<u32>, bank: usize, open: bool) -> u64 {
        let bank = bank % BANKS as usize;
        match key.and_then(|key| self.entries.get(&key)) {
            Some(entry) if open => entry.passed[bank].may,
            Some(entry) => entry.passed[bank].held,
            None => self.host[bank],
        }
    }

    /// A cgroup was made, or is there. The key of the container that this is the first cgroup of.
    pub fn made(&mut self, cgroup: u64, path: &[u8], time: u64) -> Option<u32> {
        let machine = self.machine.as_deref();
        let known = |parent: &str, id: &str| machine.and_then(|machine| machine.runtime(parent, id));
        let text = std::str::from_utf8(path).ok();
        let Some((path, named)) = text.and_then(|text| Some((text, path::parse_with(text, known)?))) else {
            return self.set(cgroup, None);
        };
        let own = if named.own == path { cgroup } else { 0 };
        if let Some(&key) = self.by_id.get(named.id) {
            self.set(cgroup, Some(key));
            if let Some(entry) = self.entries.get_mut(&key) {
                (entry.own, entry.gone) = if own == 0 { (entry.own, entry.gone) } else { (own, false) };
            }
            self.decide(key);
            return None;
        }
        if self.entries.len() >= MOST_CONTAINERS {
            self.turned_away += 1;
            return self.set(cgroup, None);
        }
        let metadata = Metadata {
            runtime: named.runtime.to_owned(),
            pod_uid: path::pod_uid(named.own).unwrap_or_default(),
            ..Metadata::default()
        };
        let path = named.own.to_owned();
        if self.asks {
            let (id, path) = (named.id.to_owned(), path.clone());
            self.questions.push(Question { id, runtime: named.runtime.to_owned(), path });
        }
        let key = self.next_key;
        self.next_key = self.next_key.wrapping_add(1);
        let serial = self.next_serial();
        let details = Arc::new(Details::new(named.id.to_owned(), metadata, time, serial));
        let standing = if self.asks { Standing::Asked } else { Standing::Known };
        self.by_id.insert(details.id.clone(), key);
        self.shown.put(details.id.clone(), details.clone());
        let entry =
            Entry { details, path, own, cgroups: Vec::new(), standing, gone: false, passed: Default::default() };
        self.entries.insert(key, entry);
        self.set(cgroup, Some(key));
        self.decide(key);
        Some(key)
    }

    /// A cgroup was removed. The key of the container whose own it was.
    pub fn gone(&mut self, cgroup: u64) -> Option<u32> {
        let key = self.by_cgroup.remove(&cgroup)??;
        self.changes.push(Change { cgroup, slots: None });
        let entry = self.entries.get_mut(&key)?;
        entry.cgroups.retain(|other| *other != cgroup);
        let ends = entry.own == cgroup || entry.cgroups.is_empty();
        entry.gone |= ends;
        ends.then_some(key)
    }

    /// Forgets a container, where its cgroup was removed.
    pub fn forget_if_gone(&mut self, key: u32) {
        if !self.entries.get(&key).is_some_and(|entry| entry.gone) {
            return;
        }
        if let Some(entry) = self.entries.remove(&key) {
            self.by_id.remove(&entry.details.id);
            for cgroup in entry.cgroups {
                self.by_cgroup.remove(&cgroup);
                self.changes.push(Change { cgroup, slots: None });
            }
        }
    }

    /// What a runtime tells of a container, or that none knows it. The key, where it is still there.
    pub fn answer(&mut self, id: &str, metadata: Option<Metadata>) -> Option<u32> {
        let key = *self.by_id.get(id)?;
        let serial = self.next_serial();
        let entry = self.entries.get_mut(&key)?;
        entry.standing = Standing::Known;
        if let Some(metadata) = metadata {
            let before = &entry.details;
            let or = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
            let metadata = Metadata {
                runtime: or(metadata.runtime, &before.metadata.runtime),
                pod_uid: or(metadata.pod_uid, &before.metadata.pod_uid),
                ..metadata
            };
            let details = Details::new(before.id.clone(), metadata.bounded(), before.made, serial);
            entry.details = Arc::new(details);
            self.shown.put(entry.details.id.clone(), entry.details.clone());
        }
        self.decide(key);
        Some(key)
    }

    /// The answer is not waited for any more.
    pub fn give_up(&mut self, key: u32) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.standing == Standing::Asked) {
            entry.standing = Standing::Late;
        }
    }

    /// What is to be asked, since the last call.
    pub fn take_questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    /// What the kernel side is to know, since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1).max(1);
        self.serial
    }

    /// Notes whose a cgroup is; for [`Containers::made`], that it began no container.
    fn set(&mut self, cgroup: u64, key: Option<u32>) -> Option<u32> {
        if self.by_cgroup.len() >= MOST_CGROUPS {
            self.by_cgroup.retain(|_, key| key.is_some());
        }
        if self.by_cgroup.len() < MOST_CGROUPS {
            self.by_cgroup.insert(cgroup, key);
        }
        match key.and_then(|key| self.entries.get_mut(&key)) {
            Some(entry) if !entry.cgroups.contains(&cgroup) => entry.cgroups.push(cgroup),
            Some(_) => {}
            None => self.changes.push(Change { cgroup, slots: None }),
        }
        None
    }

    /// Makes a container's bits anew.
    fn decide(&mut self, key: u32) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let open = entry.standing != Standing::Known;
        for (passed, conditions) in entry.passed.iter_mut().zip(&self.conditions) {
            let by = |open| conditions.passed(Subject { container: Some(&entry.details), open });
            *passed = Passed { may: by(open), held: by(false) };
        }
        let slots = Some(entry.passed.map(|passed| passed.may));
        self.changes.extend(entry.cgroups.iter().map(|cgroup| Change { cgroup: *cgroup, slots }));
    }

    fn look_up(&mut self, cgroup: u64, time: u64) -> (Option<u32>, bool) {
        let (since, count) = &mut self.looked_up;
        if time.saturating_sub(*since) > SECOND {
            (*since, *count) = (time, 0);
        }
        *count += 1;
        if *count > LOOK_UPS {
            return (None, false);
        }
        let Some(machine) = &mut self.machine else { return (None, false) };
        // one that is gone is asked for again by nobody soon
        let path = machine.path(cgroup).unwrap_or_default();
        let new = self.made(cgroup, &path, time);
        (self.by_cgroup.get(&cgroup).copied().flatten(), new.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predicate::{Op, Predicate};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn path(below: &str) -> Vec<u8> {
        format!("/docker/{ID}{below}").into_bytes()
    }

    fn of(containers: &mut Containers, cgroup: u64) -> Option<String> {
        let (key, _) = containers.find(cgroup, 1);
        key.and_then(|key| containers.inside(key)).map(|inside| inside.details.id.clone())
    }

    struct Tree(Vec<(u64, &'static str)>);

    impl Machine for Tree {
        fn path(&mut self, cgroup: u64) -> Option<Vec<u8>> {
            self.0.iter().find(|(id, _)| *id == cgroup).map(|(_, path)| path.as_bytes().to_vec())
        }

        fn runtime(&self, parent: &str, id: &str) -> Option<&'static str> {
            (parent == "default" && id.starts_with("bar")).then_some("containerd")
        }
    }

    #[test]
    fn a_container_comes_and_goes() {
        let mut containers = Containers::default();
        assert_eq!(containers.made(5, b"/system.slice", 1), None);
        let key = containers.made(7, &path(""), 9).expect("a container");
        assert_eq!(containers.made(8, &path("/init.scope"), 10), None);
        assert_eq!(of(&mut containers, 7).as_deref(), Some(ID));
        assert_eq!(of(&mut containers, 8).as_deref(), Some(ID));
        assert_eq!(of(&mut containers, 5), None);
        assert_eq!(containers.cgroup(key), 7);
        assert_eq!(containers.inside(key).expect("it is there").details.made, 9);
        assert_eq!(containers.gone(8), None, "not its own");
        assert_eq!(of(&mut containers, 8), None);
        assert_eq!(containers.gone(7), Some(key));
        containers.forget_if_gone(key);
        assert!(containers.made(17, &path(""), 20).is_some(), "started again");
    }

    #[test]
    fn a_cgroup_that_nothing_told_of_is_looked_up_a_few_times() {
        let mut containers = Containers::default();
        containers.set_machine(Box::new(Tree(vec![(3, "/default/bar-2/x"), (4, "/default/else")])));
        let (key, new) = containers.find(3, 1);
        assert!(new);
        let inside = containers.inside(key.expect("a container")).expect("it is there");
        assert_eq!((&*inside.details.id, inside.details.runtime()), ("bar-2", "containerd"));
        assert_eq!(containers.find(4, 1), (None, false));
        assert_eq!(containers.find(9, 1), (None, false));
        (100..1000).for_each(|cgroup| assert_eq!(containers.find(cgroup, 2), (None, false)));
        // those beyond what a second allows are looked up later
        assert!(!containers.by_cgroup.contains_key(&999) && containers.by_cgroup.contains_key(&100));
        assert_eq!(containers.find(999, 2 + 2 * SECOND), (None, false));
        assert!(containers.by_cgroup.contains_key(&999));
    }

    #[test]
    fn memory_is_bounded() {
        let mut containers = Containers::default();
        let key = containers.made(1, &path(""), 1).expect("a container");
        for cgroup in 10..10 + 2 * MOST_CGROUPS as u64 {
            containers.made(cgroup, b"/x", 1);
            containers.take_changes();
        }
        assert!(containers.by_cgroup.len() <= MOST_CGROUPS);
        assert_eq!(containers.find(1, 1), (Some(key), false), "containers stay");
        for n in 0..MOST_CONTAINERS as u64 + 10 {
            containers.made(1 << 40 | n, format!("/runc-{n}.scope").as_bytes(), 1);
        }
        assert_eq!((containers.entries.len(), containers.turned_away), (MOST_CONTAINERS, 11));
    }

    #[test]
    fn answers() {
        let mut containers = Containers::default();
        containers.ask();
        let pod = format!("/kubepods/pod6cd1a4b5-3c1f-4a7e-9d30-0f4a2b1c5d6e/{ID}");
        let key = containers.made(7, pod.as_bytes(), 1).expect("a container");
        let question = Question { id: ID.into(), runtime: String::new(), path: pod };
        assert_eq!(containers.take_questions(), [question]);
        let inside = containers.inside(key).expect("it is there");
        let (before, standing) = (inside.details.clone(), inside.standing);
        assert_eq!(standing, Standing::Asked);
        let metadata = Metadata { name: "web".into(), runtime: "crio".into(), ..Metadata::default() };
        assert_eq!(containers.answer(ID, Some(metadata)), Some(key));
        let inside = containers.inside(key).expect("it is there");
        assert_eq!(inside.standing, Standing::Known);
        let known = &inside.details.metadata;
        assert_eq!((&*known.name, &*known.runtime), ("web", "crio"));
        assert_eq!(known.pod_uid, "6cd1a4b5-3c1f-4a7e-9d30-0f4a2b1c5d6e", "the path told it");
        assert_ne!(inside.details.serial, before.serial);
        assert_eq!(containers.answer("nobody", None), None);
    }

    #[test]
    fn an_answer_may_be_late() {
        let mut containers = Containers::default();
        containers.made(7, &path(""), 1);
        containers.ask();
        assert_eq!(containers.take_questions().len(), 1, "of those that were there before");
        let key = containers.find(7, 1).0.expect("a container");
        containers.give_up(key);
        assert_eq!(containers.inside(key).map(|inside| inside.standing), Some(Standing::Late));
        containers.answer(ID, None);
        assert_eq!(containers.inside(key).map(|inside| inside.standing), Some(Standing::Known));
    }

    #[test]
    fn the_kernel_side_is_told() {
        let mut containers = Containers::default();
        containers.ask();
        let mut conditions = Conditions::default();
        let named = Predicate { field: "containerName".into(), op: Op::Equal, values: vec!["web".into()] };
        conditions.add(2, &named).expect("a condition");
        containers.set_conditions(1, &conditions);
        assert_eq!(containers.passed(None, 1, true), !0b100);
        containers.made(5, b"/x", 1);
        let key = containers.made(7, &path(""), 1).expect("a container");
        let open = Change { cgroup: 7, slots: Some([u64::MAX; 2]) };
        assert_eq!(containers.take_changes(), [Change { cgroup: 5, slots: None }, open], "it may be the one");
        assert_eq!(containers.passed(Some(key), 1, true), u64::MAX);
        assert_eq!(containers.passed(Some(key), 1, false), !0b100);
        containers.answer(ID, None);
        assert_eq!(containers.take_changes(), [Change { cgroup: 7, slots: Some([u64::MAX, !0b100]) }]);
        containers.set_conditions(1, &Conditions::default());
        assert_eq!(containers.take_changes(), [Change { cgroup: 7, slots: Some([u64::MAX; 2]) }]);
        containers.gone(7);
        assert_eq!(containers.take_changes(), [Change { cgroup: 7, slots: None }]);
    }
}
