//! Random histories of processes, against a model in which everything is plain: a list of processes, each with the place
//! of its parent, that is changed at once when a parent ends.

mod common;

use std::path::Path;

use common::life::{exec, exit, fork, Who, INIT};
use proptest::collection::vec;
use proptest::prelude::*;
use tracee_core::record::{control, split, Head, Owned};
use tracee_core::tasks::{Depth, Lineages, Tasks};

#[derive(Debug, Clone)]
enum Deed {
    Fork { by: usize, pid: u32, for_parent: bool },
    Exec { who: usize, program: u8 },
    Exit { who: usize, status: u8 },
    AskForOrphans { who: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..1000_usize;
    prop_oneof![
        // few pids, so that they come again
        4 => (who.clone(), 2..40_u32, prop::bool::weighted(0.1))
            .prop_map(|(by, pid, for_parent)| Deed::Fork { by, pid, for_parent }),
        2 => (who.clone(), any::<u8>()).prop_map(|(who, program)| Deed::Exec { who, program }),
        3 => (who.clone(), any::<u8>()).prop_map(|(who, status)| Deed::Exit { who, status }),
        1 => who.prop_map(|who| Deed::AskForOrphans { who }),
    ]
}

struct Modelled {
    who: Who,
    parent: usize,
    by: usize,
    program: u8,
    subreaper: bool,
    status: Option<u32>,
}

/// Place 0 is the first process, which never ends.
struct Model {
    all: Vec<Modelled>,
    ticks: u64,
}

impl Model {
    fn new() -> Model {
        let init = Modelled { who: INIT, parent: 0, by: 0, program: 0, subreaper: false, status: None };
        Model { all: vec![init], ticks: 100 }
    }

    fn living(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|place| self.all[*place].status.is_none()).collect()
    }

    fn parent_of(&self, place: usize) -> Who {
        if place == 0 {
            Who::KERNEL
        } else {
            self.all[self.all[place].parent].who
        }
    }

    /// Pids from the first process on.
    fn ancestors(&self, place: usize) -> Vec<u32> {
        let above = |place: &usize| (*place != 0).then(|| self.all[*place].parent);
        let mut pids: Vec<u32> =
            std::iter::successors(Some(place), above).skip(1).map(|place| self.all[place].who.pid).collect();
        pids.reverse();
        pids
    }

    fn heir(&self, place: usize) -> usize {
        let mut at = self.all[place].parent;
        while at != 0 && !self.all[at].subreaper {
            at = self.all[at].parent;
        }
        at
    }

    /// Does it, where it can be done; the record that the kernel side would send.
    fn does(&mut self, deed: &Deed) -> Option<Owned> {
        let living = self.living();
        let pick = |place: usize| living[place % living.len()];
        self.ticks += 2;
        match *deed {
            Deed::Fork { by, pid, for_parent } => {
                if living.iter().any(|place| self.all[*place].who.pid == pid) {
                    return None;
                }
                let by = pick(by);
                let parent = if for_parent { self.all[by].parent } else { by };
                let who = Who { pid, start: self.ticks * 10_000_000 + 12_345 };
                let record = fork(who, self.all[parent].who, self.all[by].who);
                let program = self.all[by].program;
                self.all.push(Modelled { who, parent, by, program, subreaper: false, status: None });
                Some(record)
            }
            Deed::Exec { who, program } => {
                let place = pick(who);
                self.all[place].program = program;
                Some(exec(self.all[place].who, self.parent_of(place), &[b'/', program]))
            }
            Deed::Exit { who, status } => {
                let place = pick(who);
                if place == 0 {
                    return None;
                }
                let (heir, status) = (self.heir(place), u32::from(status) << 8);
                let record = exit(self.all[place].who, self.parent_of(place), self.all[heir].who, status);
                self.all[place].status = Some(status);
                for child in &mut self.all[1..] {
                    if child.parent == place {
                        child.parent = heir;
                    }
                }
                Some(record)
            }
            Deed::AskForOrphans { who } => {
                let place = pick(who);
                self.all[place].subreaper = true;
                None
            }
        }
    }

    fn check(&self, tasks: &Tasks, kept: &mut Lineages) -> Result<(), TestCaseError> {
        let processes = tasks.processes();
        for (place, expected) in self.all.iter().enumerate() {
            let known = processes.get(expected.who.pid, Some(expected.who.start));
            let known = known.ok_or_else(|| TestCaseError::fail(format!("{:?} is not known", expected.who)))?;
            prop_assert_eq!(known.end().and_then(|end| end.status), expected.status);
            prop_assert_eq!(&*known.image().expect("it runs something").path, &[b'/', expected.program]);
            if place != 0 {
                let by = known.forked_by.expect("it was seen");
                prop_assert_eq!((by.pid, by.start), (self.all[expected.by].who.pid, self.all[expected.by].who.start));
            }
            if expected.status.is_none() {
                let ancestors = self.ancestors(place);
                prop_assert_eq!(known.lineage.pids.as_slice(), &ancestors[..]);
                let lineage = kept.below(self.parent_of(place).pid, tasks);
                prop_assert_eq!((lineage.pids.as_slice(), lineage.cut), (&ancestors[..], false));
                let executable = tasks.executable(expected.who.pid).expect("it runs something");
                prop_assert_eq!(&*executable.path, &[b'/', expected.program]);
            }
        }
        Ok(())
    }
}

fn feed(tasks: &mut Tasks, record: &Owned) {
    let (head, rest) = split(record.as_bytes()).expect("a record");
    tasks.control(head, rest);
}

/// A folder as procfs would show the living.
fn write_proc(model: &Model, folder: &Path) {
    for place in model.living() {
        let process = &model.all[place];
        let own = folder.join(process.who.pid.to_string());
        std::fs::create_dir_all(&own).expect("it can be made");
        let (pid, parent, tick) = (process.who.pid, model.parent_of(place).pid, process.who.start / 10_000_000);
        let stat = format!("{pid} (x) y) S {parent} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 {tick} 0 0\n");
        std::fs::write(own.join("stat"), stat).expect("it can be written");
        std::fs::write(own.join("status"), format!("Uid:\t0\t0\t0\t0\nNSpid:\t{pid}\n")).expect("it can be written");
        let exe = String::from_utf8_lossy(&[b'/', process.program]).into_owned();
        std::os::unix::fs::symlink(exe, own.join("exe")).expect("it can be linked");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_tree_is_what_the_history_makes_of_it(deeds in vec(deed(), 1..150)) {
        let (mut model, mut tasks, mut kept) = (Model::new(), Tasks::default(), Lineages::new());
        feed(&mut tasks, &exec(INIT, Who::KERNEL, &[b'/', 0]));
        for deed in &deeds {
            if let Some(record) = model.does(deed) {
                feed(&mut tasks, &record);
                model.check(&tasks, &mut kept)?;
            }
        }
    }

    /// Records that were on their way when /proc was read come after it, and some are missing. At the end all is as if
    /// it had been seen.
    #[test]
    fn proc_and_records_go_together(
        deeds in vec(deed(), 1..60), seen in 0..60_usize, read in 0..60_usize, lost in vec(any::<bool>(), 60)
    ) {
        let (seen, read) = (seen.min(read).min(deeds.len()), read.min(deeds.len()));
        let mut small = deeds;
        for deed in &mut small {
            if let Deed::Exec { program, .. } = deed {
                *program = b'a' + *program % 26; // as write_proc writes it
            }
        }
        let (mut model, mut tasks) = (Model::new(), Tasks::default());
        model.all[0].program = b'a';
        feed(&mut tasks, &exec(INIT, Who::KERNEL, b"/a"));
        let mut pending = Vec::new();
        for (i, deed) in small[..read].iter().enumerate() {
            let record = model.does(deed);
            // those before the first that was not read any more may be lost: this is what reading anew is for
            match record {
                Some(record) if i < seen && !lost[i] => feed(&mut tasks, &record),
                Some(_) if i < seen => {}
                Some(record) => pending.push(record),
                None => {}
            }
        }
        let folder = tempfile(&model);
        tasks.read_proc(&folder, Depth::Processes).expect("it is there");
        std::fs::remove_dir_all(&folder).expect("it is ours");
        pending.iter().for_each(|record| feed(&mut tasks, record));
        for deed in &small[read..] {
            if let Some(record) = model.does(deed) {
                feed(&mut tasks, &record);
            }
        }
        let processes = tasks.processes();
        for place in model.living() {
            let expected = &model.all[place];
            let known = processes.get(expected.who.pid, None).expect("it lives");
            prop_assert!(known.end().is_none());
            prop_assert_eq!(known.lineage.pids.as_slice(), &model.ancestors(place)[..]);
            prop_assert_eq!(&*tasks.executable(expected.who.pid).expect("it runs").path, &[b'/', expected.program]);
        }
    }

    /// Records that no kernel sends: nothing runs forever, and everything stays within its bounds.
    #[test]
    fn any_records_are_taken(raw in vec((0..3_u16, 1..6_u32, 0..4_u64, 0..6_u32, 0..4_u64, 0..6_u64, 0..4_u64), 0..300)) {
        let (mut tasks, mut kept) = (Tasks::default(), Lineages::new());
        for (time, (kind, pid, start, ppid, parent_start, other, other_start)) in (1..).zip(raw) {
            let mut head = Head { event: control::EXEC + kind, time, ..Head::default() };
            (head.task.host_pid, head.task.start_time, head.task.host_ppid) = (pid, start * 10_000_000, ppid);
            head.args[..3].copy_from_slice(&[parent_start * 10_000_000, other, other_start * 10_000_000]);
            prop_assert!(tasks.control(&head, &[]));
            for pid in 0..6 {
                let below = kept.below(pid, &tasks).clone();
                prop_assert!(below.pids.len() <= 6);
                prop_assert_eq!(&*below, &tasks.lineage(pid));
            }
        }
        prop_assert!(tasks.len() <= 24);
    }
}

fn tempfile(model: &Model) -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("tracee-proc-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).expect("it can be made");
    write_proc(model, &folder);
    folder
}
