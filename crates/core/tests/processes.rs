//! The tree of processes, fed with control records.

mod common;

use std::path::Path;

use common::life::{exec, exit, fork, Who, INIT};
use tracee_core::record::{control, split, Head, Owned};
use tracee_core::tasks::{Depth, Lineages, Tasks};

fn feed(tasks: &mut Tasks, record: &Owned) {
    let (head, rest) = split(record.as_bytes()).expect("a record");
    assert!(tasks.control(head, rest));
}

fn path(tasks: &Tasks, pid: u32) -> Option<&[u8]> {
    tasks.executable(pid).map(|e| &*e.path)
}

fn ancestors(tasks: &Tasks, parent: u32) -> Vec<u32> {
    tasks.lineage(parent).pids.to_vec()
}

/// The first process, which runs /init.
fn begun() -> Tasks {
    let mut tasks = Tasks::default();
    feed(&mut tasks, &exec(INIT, Who::KERNEL, b"/init"));
    tasks
}

fn who(pid: u32, at: u64) -> Who {
    Who { pid, start: at * 20_000_000 }
}

#[test]
fn children_inherit_and_execs_replace() {
    let mut tasks = begun();
    let (shell, child) = (who(10, 1), who(11, 2));
    feed(&mut tasks, &fork(shell, INIT, INIT));
    feed(&mut tasks, &exec(shell, INIT, b"/bin/sh"));
    feed(&mut tasks, &fork(child, shell, shell));
    assert_eq!(path(&tasks, 11), Some(b"/bin/sh".as_slice()));
    assert_eq!(path(&tasks, 12), None);
    let before = tasks.executable(11).expect("known").serial;
    feed(&mut tasks, &exec(child, shell, b"/bin/ls"));
    assert_eq!(path(&tasks, 11), Some(b"/bin/ls".as_slice()));
    assert_ne!(tasks.executable(11).expect("known").serial, before);
    assert_eq!(ancestors(&tasks, 10), [1, 10]);
    // its last events may still be on their way
    feed(&mut tasks, &exit(child, shell, INIT, 0));
    assert_eq!(path(&tasks, 11), Some(b"/bin/ls".as_slice()));
}

#[test]
fn a_child_may_be_made_for_another_parent() {
    let mut tasks = begun();
    let (parent, maker, child) = (who(10, 1), who(11, 2), who(12, 3));
    feed(&mut tasks, &fork(parent, INIT, INIT));
    feed(&mut tasks, &fork(maker, parent, parent));
    feed(&mut tasks, &exec(maker, parent, b"/bin/maker"));
    feed(&mut tasks, &fork(child, parent, maker));
    // CLONE_PARENT: a sibling of its maker, which runs the maker's program
    assert_eq!(path(&tasks, 12), Some(b"/bin/maker".as_slice()));
    let known = tasks.processes().get(12, None).expect("it lives");
    assert_eq!(known.parent.map(|parent| parent.pid), Some(10));
    assert_eq!(known.forked_by.map(|by| by.pid), Some(11));
    assert_eq!(known.lineage.pids.as_slice(), [1, 10]);
}

#[test]
fn orphans_go_to_the_heir_of_the_dead_and_of_the_heir() {
    let mut tasks = begun();
    let (reaper, parent, orphan) = (who(10, 1), who(11, 2), who(12, 3));
    feed(&mut tasks, &fork(reaper, INIT, INIT));
    feed(&mut tasks, &fork(parent, reaper, reaper));
    feed(&mut tasks, &fork(orphan, parent, parent));
    let processes = tasks.processes();
    let of_orphan = || processes.get(12, None).expect("it lives");
    assert_eq!(of_orphan().lineage.pids.as_slice(), [1, 10, 11]);
    feed(&mut tasks, &exit(parent, reaper, reaper, 0));
    assert_eq!(of_orphan().lineage.pids.as_slice(), [1, 10]);
    feed(&mut tasks, &exit(reaper, INIT, INIT, 0));
    assert_eq!(of_orphan().lineage.pids.as_slice(), [1]);
    // who made it stays known
    let by = of_orphan().forked_by.expect("it was seen");
    let parent = processes.get(by.pid, Some(by.start)).expect("it is an ancestor of the living");
    assert!(parent.end().is_some());
    assert_eq!(parent.forked_by.map(|by| by.pid), Some(10));
}

#[test]
fn what_is_known_survives_an_end_that_is_told_twice_or_late() {
    let mut tasks = begun();
    let (twice, late) = (who(4_000_000_000, 1), who(4_000_000_001, 2));
    for process in [twice, late] {
        feed(&mut tasks, &fork(process, INIT, INIT));
        feed(&mut tasks, &exec(process, INIT, b"/bin/program"));
    }
    feed(&mut tasks, &exit(twice, INIT, INIT, 1 << 8));
    feed(&mut tasks, &exit(twice, INIT, INIT, 1 << 8));
    // no such process is there any more, and its end comes after that was seen
    tasks.read_proc(Path::new("/proc"), Depth::Programs).expect("procfs is there");
    feed(&mut tasks, &exit(late, INIT, INIT, 1 << 8));
    for process in [twice, late] {
        let known = tasks.processes().get(process.pid, None).expect("it ended not long ago");
        assert_eq!(known.end().and_then(|end| end.status), Some(1 << 8));
        assert_eq!(&*known.image().expect("it ran").path, b"/bin/program");
    }
}

#[test]
fn a_pid_that_comes_again_is_another_process() {
    let mut tasks = begun();
    let (first, second) = (who(50, 1), who(50, 9));
    feed(&mut tasks, &fork(first, INIT, INIT));
    feed(&mut tasks, &exec(first, INIT, b"/first"));
    feed(&mut tasks, &exit(first, INIT, INIT, 7 << 8));
    feed(&mut tasks, &fork(second, INIT, INIT));
    feed(&mut tasks, &exec(second, INIT, b"/second"));
    let processes = tasks.processes();
    let at = |start| processes.get(50, start).expect("it is known");
    assert_eq!(at(None).process.id.start, second.start);
    assert_eq!(at(Some(first.start)).end().and_then(|end| end.status), Some(7 << 8));
    assert_eq!(&*at(Some(first.start)).image().expect("it ran").path, b"/first");
    assert!(processes.get(50, Some(first.start + 2_000_000_000)).is_none());
    for i in 0..6000 {
        let short = who(1000 + i, 10 + u64::from(i));
        feed(&mut tasks, &fork(short, INIT, INIT));
        feed(&mut tasks, &exit(short, INIT, INIT, 0));
    }
    // the first went with the other dead, the second did not go with it
    let near = processes.get(50, Some(first.start)).expect("the second began not long after");
    assert_eq!(near.process.id.start, second.start);
    assert_eq!(path(&tasks, 50), Some(b"/second".as_slice()));
    assert!(processes.get(1000, None).is_none());
    assert_eq!(path(&tasks, 1000), None);
    assert!(processes.get(6999, None).is_some());
}

#[test]
fn the_dead_that_the_living_descend_from_outlast_the_other_dead() {
    let mut tasks = begun();
    let mut above = INIT;
    let chain: Vec<Who> = (0..100).map(|i| who(100 + i, 1 + u64::from(i))).collect();
    for process in &chain {
        feed(&mut tasks, &fork(*process, above, above));
        above = *process;
    }
    let (last, dead) = chain.split_last().expect("a hundred");
    for process in dead {
        feed(&mut tasks, &exit(*process, INIT, INIT, 0));
    }
    for i in 0..20_000 {
        let short = who(1000 + i, 200 + u64::from(i));
        feed(&mut tasks, &fork(short, INIT, INIT));
        feed(&mut tasks, &exit(short, INIT, INIT, 0));
    }
    let processes = tasks.processes();
    let mut generations = 0;
    let mut by = processes.get(last.pid, None).expect("it lives").forked_by;
    while let Some(id) = by.filter(|id| id.pid != INIT.pid) {
        by = processes.get(id.pid, Some(id.start)).expect("it is kept").forked_by;
        generations += 1;
    }
    assert_eq!(generations, 99);
    // when the last of them goes, so do they
    feed(&mut tasks, &exit(*last, INIT, INIT, 0));
    for i in 0..20_000 {
        let short = who(30_000 + i, 30_000 + u64::from(i));
        feed(&mut tasks, &fork(short, INIT, INIT));
        feed(&mut tasks, &exit(short, INIT, INIT, 0));
    }
    assert!(processes.get(100, None).is_none());
    assert!(processes.counts().0 <= 4096 + 2);
    assert_eq!(processes.counts().1, 0);
}

#[test]
fn memory_stays_bounded() {
    let mut tasks = begun();
    // ten thousand that live, each with a child that lives: more than fit in the end
    for i in 0..100_000_u32 {
        let parent = who(2 + 2 * i, u64::from(i));
        feed(&mut tasks, &fork(parent, INIT, INIT));
        feed(&mut tasks, &fork(who(3 + 2 * i, u64::from(i)), parent, parent));
        assert!(tasks.len() <= 1 << 16);
    }
    // those without children went first
    assert_eq!(ancestors(&tasks, 200_000), [1, 200_000]);
    assert!(tasks.processes().counts().1 > 0);
    assert_eq!(path(&tasks, 1), Some(b"/init".as_slice()));
}

#[test]
fn long_texts_do_not_fill_the_memory() {
    let mut tasks = begun();
    let long = vec![b'x'; 4096];
    for i in 0..40_000_u32 {
        let process = who(2 + i, u64::from(i));
        feed(&mut tasks, &fork(process, INIT, INIT));
        feed(&mut tasks, &exec(process, INIT, &long));
    }
    assert!(tasks.len() < (70 << 20) / 4096);
}

#[test]
fn a_deep_chain_and_an_unknown_parent_are_cut() {
    let mut tasks = begun();
    let mut above = INIT;
    for i in 0..100 {
        let process = who(100 + i, u64::from(i));
        feed(&mut tasks, &fork(process, above, above));
        above = process;
    }
    let lineage = tasks.lineage(199);
    assert!(lineage.cut);
    assert_eq!(lineage.pids.to_vec(), (136..200).collect::<Vec<u32>>());
    let lineage = tasks.lineage(77);
    assert!(lineage.cut);
    assert_eq!(lineage.pids.to_vec(), [77]);
    assert!(!tasks.lineage(0).cut);
}

#[test]
fn kept_lineages_are_renewed_when_they_change() {
    let mut tasks = begun();
    let mut kept = Lineages::new();
    let (parent, child) = (who(10, 1), who(11, 2));
    assert_eq!(kept.below(11, &tasks).pids.as_slice(), [11]);
    feed(&mut tasks, &fork(parent, INIT, INIT));
    feed(&mut tasks, &fork(child, parent, parent));
    assert_eq!(kept.below(11, &tasks).pids.as_slice(), [1, 10, 11]);
    let same = kept.below(11, &tasks).clone();
    feed(&mut tasks, &exit(who(10_000, 3), INIT, INIT, 0));
    assert!(std::sync::Arc::ptr_eq(&same, kept.below(11, &tasks)));
    feed(&mut tasks, &exit(parent, INIT, INIT, 0));
    assert_eq!(kept.below(11, &tasks).pids.as_slice(), [1, 11]);
    // the pid of a parent comes again, elsewhere in the tree
    feed(&mut tasks, &exit(child, INIT, INIT, 0));
    assert_eq!(kept.below(11, &tasks).pids.as_slice(), [1, 11]);
    let other = who(12, 4);
    feed(&mut tasks, &fork(other, INIT, INIT));
    feed(&mut tasks, &fork(who(11, 5), other, other));
    assert_eq!(kept.below(11, &tasks).pids.as_slice(), [1, 12, 11]);
}

#[test]
fn proc_is_read() {
    let mut tasks = Tasks::default();
    tasks.read_proc(Path::new("/proc"), Depth::Details).expect("procfs is there");
    let own = std::env::current_exe().expect("it is known");
    let own = own.canonicalize().expect("it is there");
    assert_eq!(path(&tasks, std::process::id()), Some(own.as_os_str().as_encoded_bytes()));
    let known = tasks.processes().get(std::process::id(), None).expect("we run");
    assert_eq!(known.image().expect("ours").arguments().count(), std::env::args_os().count());
    assert!(known.lineage.pids.len() > 1 || known.lineage.pids[0] == 1);
}

#[test]
fn reading_proc_anew_mends_what_was_missed() {
    let mut tasks = Tasks::default();
    // it lives, but another program was seen; and one that never was there
    let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().expect("it begins");
    tasks.read_proc(Path::new("/proc"), Depth::Details).expect("procfs is there");
    let processes = tasks.processes();
    let sleeper = processes.get(child.id(), None).expect("it is there");
    let at = Who { pid: child.id(), start: sleeper.process.id.start };
    feed(&mut tasks, &exec(at, Who { pid: std::process::id(), start: 0 }, b"/wrong"));
    let gone = who(4_000_000_000, 1);
    feed(&mut tasks, &fork(gone, INIT, INIT));
    assert_eq!(path(&tasks, child.id()), Some(b"/wrong".as_slice()));
    tasks.read_proc(Path::new("/proc"), Depth::Details).expect("procfs is there");
    let (mended, before) = (processes.get(child.id(), None).expect("it is there"), sleeper);
    assert_eq!(mended.image().expect("it runs").path, before.image().expect("it ran").path);
    assert_eq!(mended.parent.map(|parent| parent.pid), Some(std::process::id()));
    assert!(processes.get(gone.pid, None).expect("it is known").end().is_some());
    child.kill().and_then(|()| child.wait()).expect("it ends");
    tasks.read_proc(Path::new("/proc"), Depth::Details).expect("procfs is there");
    assert!(processes.get(child.id(), None).expect("it is known").end().is_some());
}

#[test]
fn short_records_are_taken() {
    let mut tasks = begun();
    for event in [control::EXEC, control::FORK, control::EXIT] {
        let mut head = Head { event, ..Head::default() };
        assert!(!tasks.control(&head, &[1, 2, 3]));
        head.task.host_pid = 7;
        assert!(tasks.control(&head, &[1, 2, 3]));
    }
    assert!(!tasks.control(&Head { event: 0xff03, ..Head::default() }, &[]));
}
