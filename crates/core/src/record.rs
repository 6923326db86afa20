//! The record, as the kernel side lays it out: `bpf/include/record.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct task_context`: who did it. The same for every event of a task until it execs, is renamed, or changes its
/// credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TaskContext {
    /// ns since boot
    pub start_time: u64,
    pub cgroup_id: u64,
    pub host_tid: u32,
    pub host_pid: u32,
    pub host_ppid: u32,
    pub tid: u32,
    pub pid: u32,
    pub ppid: u32,
    pub uid: u32,
    pub mount_ns: u32,
    pub pid_ns: u32,
    pub pad: u32,
    pub comm: [u8; 16],
}

impl TaskContext {
    /// The task's name, without the NULs that fill it up.
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|b| *b == 0).unwrap_or(self.comm.len());
        &self.comm[..end]
    }
}

/// `struct record`: what every record begins with.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Head {
    /// ns since boot
    pub time: u64,
    /// Slots that may match, see [`crate::slots`].
    pub slots: u64,
    /// Index in the catalogue, or one of [`control`].
    pub event: u16,
    pub cpu: u16,
    pub flags: u32,
    pub task: TaskContext,
    pub ret: i64,
    pub args: [u64; 6],
}

const _: () = assert!(size_of::<TaskContext>() == 72 && size_of::<Head>() == 152, "bpf/include/record.h");

/// `enum record_flags`
pub mod flags {
    pub const COMPAT: u32 = 1;
    /// Which of the kernel side's two plans the slots are of.
    pub const BANK: u32 = 4;
    /// Texts of scopes were not tested.
    pub const OPEN: u32 = 8;
}

/// `enum control`: records of the control ring, and others that are no events.
pub mod control {
    pub const EXEC: u16 = 0xff00;
    pub const FORK: u16 = 0xff01;
    pub const EXIT: u16 = 0xff02;
    pub const CGROUP_MADE: u16 = 0xff03;
    pub const CGROUP_GONE: u16 = 0xff04;
    /// What network events are made of; in the rings of the CPUs.
    pub const PACKET: u16 = 0xff20;
    pub const FLOW: u16 = 0xff21;
}

/// `enum chunk_flags`
pub mod chunk {
    pub const CUT: u8 = 1;
    pub const FAULT: u8 = 2;
    pub const NULL: u8 = 4;
    pub const INODE: u8 = 8;
    pub const DELETED: u8 = 16;
    pub const ANON: u8 = 32;
    pub const ASKED: u8 = 64;
}

/// What one argument points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    pub bytes: &'a [u8],
    pub flags: u8,
}

impl Chunk<'_> {
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The head of a record and the bytes of its chunks; `None` where they are too few to be one.
pub fn split(bytes: &[u8]) -> Option<(&Head, &[u8])> {
    Head::ref_from_prefix(bytes).ok()
}

/// The chunks in `bytes`, as far as they are whole.
pub fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (header, after) = rest.split_first_chunk::<4>()?;
        let header = u32::from_le_bytes(*header);
        let (bytes, after) = after.split_at_checked((header & 0xff_ffff) as usize)?;
        rest = after;
        Some(Chunk { bytes, flags: (header >> 24) as u8 })
    })
}

/// A record that user space makes itself, aligned as the rings' are.
#[derive(Debug, Clone)]
pub struct Owned {
    words: Vec<u64>,
    length: usize,
}

impl Owned {
    pub fn new(head: &Head) -> Owned {
        let mut owned = Owned { words: Vec::new(), length: 0 };
        owned.extend(head.as_bytes());
        owned
    }

    /// The record that these bytes are.
    pub fn copy(bytes: &[u8]) -> Owned {
        let mut owned = Owned { words: Vec::new(), length: 0 };
        owned.extend(bytes);
        owned
    }

    /// A record of this head and these chunks, each with its header.
    pub fn of(head: &Head, chunks: &[u8]) -> Owned {
        let mut owned = Owned::new(head);
        owned.extend(chunks);
        owned
    }

    /// More slots that may match.
    pub fn add_slots(&mut self, slots: u64) {
        if let Ok((head, _)) = Head::mut_from_prefix(self.words.as_mut_bytes()) {
            head.slots |= slots;
        }
    }

    /// The slots that may match, and whether they are of the second bank.
    pub fn set_slots(&mut self, slots: u64, second: bool) {
        if let Ok((head, _)) = Head::mut_from_prefix(self.words.as_mut_bytes()) {
            head.slots = slots;
            head.flags = if second { head.flags | flags::BANK } else { head.flags & !flags::BANK };
        }
    }

    /// Appends a chunk; what is longer than a chunk can be is left out.
    pub fn push_chunk(&mut self, bytes: &[u8], flags: u8) {
        let length = bytes.len().min(0xff_ffff);
        self.extend(&(length as u32 | u32::from(flags) << 24).to_le_bytes());
        self.extend(&bytes[..length]);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.words.resize(end.div_ceil(8), 0);
        self.words.as_mut_bytes()[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.words.as_bytes()[..self.length]
    }
}
