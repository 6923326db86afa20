//! Records as the kernel side would write them.
#![allow(dead_code, reason = "each test file takes what it needs")]

use tracee_core::catalogue::by_name;
use tracee_core::event::Event;
use tracee_core::format::{Context, Format};
use tracee_core::record::{Head, Owned, TaskContext};
use tracee_core::time::Clock;

pub fn task() -> TaskContext {
    let mut comm = [0; 16];
    comm[..4].copy_from_slice(b"bash");
    TaskContext {
        start_time: 5_000_000_000,
        cgroup_id: 1,
        host_tid: 1001,
        host_pid: 1000,
        host_ppid: 999,
        tid: 11,
        pid: 10,
        ppid: 9,
        uid: 33,
        mount_ns: 4_026_531_840,
        pid_ns: 4_026_531_836,
        pad: 0,
        comm,
    }
}

/// A record of the event `name`, with these argument registers and chunks (bytes, flags).
pub fn record(name: &str, ret: i64, args: &[u64], chunks: &[(&[u8], u8)]) -> Owned {
    let (event, _) = by_name(name).expect("the event is in the catalogue");
    let mut head = Head { time: 7_000_000_000, slots: 1, event, cpu: 1, task: task(), ret, ..Head::default() };
    head.args[..args.len()].copy_from_slice(args);
    let mut record = Owned::new(&head);
    for (bytes, flags) in chunks {
        record.push_chunk(bytes, *flags);
    }
    record
}

/// What a format makes of a record.
pub fn write(format: &mut dyn Format, record: &Owned) -> String {
    let event = Event::read(record.as_bytes()).expect("a whole record");
    let context = Context {
        clock: Clock { offset: 1_700_000_000_000_000_000 },
        executable: None,
        container: None,
        lineage: None,
        matched: 1,
        policy_names: &[String::new()],
        host_mount_ns: 4_026_531_840,
        sha256: None,
    };
    let mut out = Vec::new();
    format.write(&mut out, &event, &context);
    String::from_utf8(out).expect("formats write UTF-8")
}

/// Control records of processes.
pub mod life {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracee_core::record::{control, Head, Owned};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Who {
        pub pid: u32,
        /// ns since boot
        pub start: u64,
    }

    impl Who {
        pub const KERNEL: Who = Who { pid: 0, start: 0 };
    }

    pub const INIT: Who = Who { pid: 1, start: 10_000_000 };

    fn head(event: u16, who: Who, parent: Who, args: [u64; 3]) -> Head {
        static TIME: AtomicU64 = AtomicU64::new(9_000_000_000);
        let mut head = Head { event, time: TIME.fetch_add(1, Ordering::Relaxed), ..Head::default() };
        head.task.host_pid = who.pid;
        head.task.host_tid = who.pid;
        head.task.pid = who.pid;
        head.task.start_time = who.start;
        head.task.host_ppid = parent.pid;
        head.args[0] = parent.start;
        head.args[1..4].copy_from_slice(&args);
        head
    }

    pub fn fork(child: Who, parent: Who, by: Who) -> Owned {
        Owned::new(&head(control::FORK, child, parent, [by.pid.into(), by.start, 0]))
    }

    pub fn exec(who: Who, parent: Who, path: &[u8]) -> Owned {
        let mut record = Owned::new(&head(control::EXEC, who, parent, [0; 3]));
        record.push_chunk(path, 0);
        record.push_chunk(b"/", 0);
        record.push_chunk(b"name\0argument\0", 0);
        record
    }

    pub fn exit(who: Who, parent: Who, heir: Who, status: u32) -> Owned {
        Owned::new(&head(control::EXIT, who, parent, [heir.pid.into(), heir.start, status.into()]))
    }
}
