//! The table of executables, fed with control records.

mod common;

use common::task;
use tracee_core::record::{control, split, Head, Owned};
use tracee_core::tasks::Tasks;

fn feed(tasks: &mut Tasks, kind: u16, pid: u32, args: [u64; 2], path: Option<&[u8]>) {
    let mut context = task();
    (context.host_pid, context.host_tid) = (pid, pid);
    let mut head = Head { event: kind, task: context, ..Head::default() };
    head.args[..2].copy_from_slice(&args);
    let mut record = Owned::new(&head);
    if let Some(path) = path {
        record.push_chunk(path, 0);
    }
    let (head, rest) = split(record.as_bytes()).expect("a record");
    assert!(tasks.control(head, rest));
}

fn path(tasks: &Tasks, pid: u32) -> Option<&[u8]> {
    tasks.executable(pid).map(|e| &*e.path)
}

#[test]
fn children_inherit_and_execs_replace() {
    let mut tasks = Tasks::default();
    feed(&mut tasks, control::EXEC, 10, [0, 0], Some(b"/bin/sh"));
    feed(&mut tasks, control::FORK, 10, [11, 11], None);
    feed(&mut tasks, control::FORK, 10, [12, 10], None); // a thread
    assert_eq!(path(&tasks, 11), Some(b"/bin/sh".as_slice()));
    assert_eq!(path(&tasks, 12), None);
    let before = tasks.executable(11).expect("known").serial;
    feed(&mut tasks, control::EXEC, 11, [0, 0], Some(b"/bin/ls"));
    assert_eq!(path(&tasks, 11), Some(b"/bin/ls".as_slice()));
    assert_ne!(tasks.executable(11).expect("known").serial, before);
    // its last events may still be on their way
    feed(&mut tasks, control::EXIT, 11, [0, 0], None);
    assert_eq!(path(&tasks, 11), Some(b"/bin/ls".as_slice()));
}

#[test]
fn memory_stays_bounded() {
    let mut tasks = Tasks::default();
    feed(&mut tasks, control::EXEC, 1, [0, 0], Some(b"/init"));
    for pid in 2..200_000 {
        feed(&mut tasks, control::FORK, 1, [pid, pid], None);
        if pid % 2 == 0 {
            feed(&mut tasks, control::EXIT, pid as u32, [0, 0], None);
        }
        if pid == 100 {
            feed(&mut tasks, control::EXEC, 1, [0, 0], Some(b"/init"));
        }
        if pid % 10_000 == 0 {
            feed(&mut tasks, control::EXEC, 1, [0, 0], Some(b"/init"));
        }
    }
    assert!(tasks.len() <= 1 << 16);
}

#[test]
fn a_reused_pid_is_not_forgotten_with_its_first_holder() {
    let mut tasks = Tasks::default();
    feed(&mut tasks, control::EXEC, 50, [0, 0], Some(b"/first"));
    feed(&mut tasks, control::EXIT, 50, [0, 0], None);
    feed(&mut tasks, control::EXEC, 50, [0, 0], Some(b"/second"));
    for pid in 1000..7000 {
        feed(&mut tasks, control::EXEC, pid, [0, 0], Some(b"/x"));
        feed(&mut tasks, control::EXIT, pid, [0, 0], None);
    }
    assert_eq!(path(&tasks, 50), Some(b"/second".as_slice()));
    assert_eq!(path(&tasks, 1000), None);
}

#[test]
fn proc_is_read() {
    let mut tasks = Tasks::default();
    tasks.read_proc(std::path::Path::new("/proc")).expect("procfs is there");
    let own = std::env::current_exe().expect("it is known");
    let own = own.canonicalize().expect("it is there");
    assert_eq!(path(&tasks, std::process::id()), Some(own.as_os_str().as_encoded_bytes()));
}
