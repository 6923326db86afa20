//! What control records tell: a process begins, execs, ends.

use crate::record::{self, control, Chunk, Head};
use crate::value::Text;

/// Ticks by which /proc gives start times, in ns. They are what tells processes of the same pid apart.
pub const TICK: u64 = 10_000_000;

/// A process: its pid on the host, and when it began, since pids come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    pub pid: u32,
    /// ns since boot; of what was there before us, as exact as [`TICK`].
    pub start: u64,
}

/// What a process is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub pid: u32,
    /// In [`TICK`]s; that they begin anew after more than a year confuses nobody.
    pub tick: u32,
}

impl Id {
    pub fn key(self) -> Key {
        Key { pid: self.pid, tick: (self.start / TICK) as u32 }
    }
}

/// Whom a record is about.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub id: Id,
    /// As the process sees it.
    pub ns_pid: u32,
    pub pid_ns: u32,
    pub uid: u32,
    pub comm: [u8; 16],
    /// Pid 0: the kernel itself.
    pub parent: Id,
}

#[derive(Debug)]
pub enum Life<'a> {
    /// `by`: who forked; another than the parent where that was asked for.
    Fork {
        child: About,
        by: Id,
    },
    Exec {
        process: About,
        path: Option<Text<'a>>,
        cwd: Option<Text<'a>>,
        argv: Option<Chunk<'a>>,
    },
    /// `heir`: who becomes the parent of its children. `status`: as wait(2) gives it.
    Exit {
        process: About,
        heir: Id,
        status: u32,
        time: u64,
    },
}

impl Life<'_> {
    /// `None` for a record that is no control record of a process.
    pub fn read<'a>(head: &Head, rest: &'a [u8]) -> Option<Life<'a>> {
        let task = &head.task;
        if task.host_pid == 0 {
            return None; // the kernel itself
        }
        let about = About {
            id: Id { pid: task.host_pid, start: task.start_time },
            ns_pid: task.pid,
            pid_ns: task.pid_ns,
            uid: task.uid,
            comm: task.comm,
            parent: Id { pid: task.host_ppid, start: head.args[0] },
        };
        let other = Id { pid: head.args[1] as u32, start: head.args[2] };
        Some(match head.event {
            control::FORK => Life::Fork { child: about, by: other },
            control::EXEC => {
                let mut chunks = record::chunks(rest);
                let path = chunks.next().and_then(Text::from_chunk);
                let cwd = chunks.next().and_then(Text::from_chunk);
                Life::Exec { process: about, path, cwd, argv: chunks.next() }
            }
            control::EXIT => Life::Exit { process: about, heir: other, status: head.args[3] as u32, time: head.time },
            _ => return None,
        })
    }
}
