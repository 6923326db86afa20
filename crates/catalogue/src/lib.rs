//! The catalogue: the one place that lists events and the names of their values.
//!
//! [`Catalogue::read`] takes the YAML under `catalogue/`, checks it, and [`emit_c`] and [`emit_rust`] turn it into the
//! tables that the kernel side and `tracee-core` are built with. Used by build scripts only.

pub mod emit_c;
pub mod emit_rust;
mod read;
pub mod shapes;

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything under `catalogue/`. An event's place in `events` is its index: the number the kernel side uses.
pub struct Catalogue {
    pub events: Vec<Event>,
    pub families: BTreeMap<String, Family>,
    /// Groups of system calls that one program of the kernel side looks into; see `catalogue/groups.yaml`.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What arguments that have parts are made of.
    pub shapes: Vec<shapes::Shape>,
    /// The files read, for a build script's `rerun-if-changed`.
    pub files: Vec<std::path::PathBuf>,
}

/// One event, as its record in the catalogue has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub name: String,
    /// The number that users see (`eventId`).
    pub id: u32,
    pub about: String,
    pub sets: Vec<String>,
    /// Ways to take it, best first; a file may give them for all its events.
    #[serde(default)]
    pub attach: Vec<Way>,
    /// System calls: the number by ABI (`x86_64`, `x32`, `arm64`, `i386`).
    #[serde(default)]
    pub number: BTreeMap<String, u32>,
    #[serde(default)]
    pub args: Vec<Arg>,
    /// i386: arguments that come as two registers, low half first.
    #[serde(default)]
    pub i386_pairs: Vec<usize>,
    /// i386: the one register points at all the arguments.
    #[serde(default)]
    pub i386_in_memory: bool,
    /// ABIs on which the last two of five arguments come in the other order.
    #[serde(default)]
    pub last_two_swapped: Vec<String>,
    #[serde(skip)]
    pub category: String,
}

impl Event {
    pub fn is_syscall(&self) -> bool {
        !self.number.is_empty()
    }
}

/// A way to take an event.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "WayRecord")]
pub struct Way {
    /// All of them are needed; `KIND:TARGET`.
    pub hooks: Vec<String>,
    /// What is not seen, or not known, this way; empty where nothing is.
    pub misses: String,
}

/// A way as the YAML has it: `"fexit:vfs_read"`, `"a + b"`, or with what it misses.
#[derive(Deserialize)]
#[serde(untagged)]
enum WayRecord {
    Plain(String),
    Lesser { by: String, misses: String },
}

impl From<WayRecord> for Way {
    fn from(record: WayRecord) -> Way {
        let (by, misses) = match record {
            WayRecord::Plain(by) => (by, String::new()),
            WayRecord::Lesser { by, misses } => (by, misses),
        };
        Way { hooks: by.split(" + ").map(str::to_owned).collect(), misses }
    }
}

/// Kinds of hooks. Those of `sys_enter` and `sys_exit` name a group of system calls; those of `scan` a search that user
/// space makes.
pub const HOOK_KINDS: [&str; 15] = [
    "fentry",
    "fexit",
    "lsm",
    "kprobe",
    "kretprobe",
    "tp_btf",
    "sys_enter",
    "sys_exit",
    "every_enter",
    "every_exit",
    "cgroup_skb",
    "cgroup_sock",
    "iter",
    "derived",
    "scan",
];

/// The program of the kernel side that a hook is taken by; `None` where user space does it.
pub fn program(hook: &str) -> Option<String> {
    let (kind, target) = hook.split_once(':')?;
    let target = target.replace('/', "_");
    match kind {
        "scan" | "derived" => None,
        "tp_btf" => Some(format!("tracee_{target}")),
        "sys_enter" => Some("tracee_groups_enter".into()),
        "sys_exit" => Some("tracee_groups_exit".into()),
        _ => Some(format!("tracee_{target}_{kind}")),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arg {
    pub name: String,
    /// The C type, as the manual page spells it.
    #[serde(rename = "type")]
    pub c_type: String,
    /// What it is, where the C type does not say.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// Names of its values.
    #[serde(default)]
    pub family: Option<String>,
    /// ... where they depend on another argument.
    #[serde(default)]
    pub family_by: Option<FamilyBy>,
    /// The argument that tells how many bytes this one points at; `ret` is the return value.
    #[serde(default)]
    pub length: Option<String>,
    /// The argument that is 0 where the caller only asks how much there would be.
    #[serde(default)]
    pub room: Option<String>,
    /// A `timespec_out` is written on `success`, or when the call was `interrupted`.
    #[serde(default)]
    pub when: Option<When>,
    /// The descriptor that a path is relative to.
    #[serde(default)]
    pub relative_to: Option<String>,
    /// Another argument that tells the same in another way: a filter on this one takes either.
    #[serde(default)]
    pub also: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Path,
    PathText,
    PathOrName,
    PathOut,
    /// A path that the kernel resolved.
    FilePath,
    String,
    Argv,
    Bytes,
    SockaddrIn,
    SockaddrOut,
    Timespec,
    TimespecOut,
    Timespec2,
    FdPair,
    Fd,
    /// A descriptor whose file's path is given too.
    FdPath,
    Dirfd,
    Pidfd,
    Mode,
    Dev,
    Pid,
    Tid,
    Uid,
    Gid,
    /// ns since boot, shown as ns since 1970.
    BootTime,
    /// What a task may do: `struct credentials` of bpf/include/event.h.
    Cred,
    /// A system call: its event's index in the record, its event's id as the value.
    Syscall,
    /// Any number of u64.
    Numbers,
    /// 4 bytes of IPv4 or 16 of IPv6.
    Address,
    /// Bytes that are no text.
    Raw,
    /// Things of the kernel with the symbols that they lead to: name, symbol and the symbol's owner, each with its NUL.
    Symbols,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Success,
    Interrupted,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyBy {
    pub arg: String,
    /// Name of a value of that argument, to the family it brings.
    pub cases: BTreeMap<String, String>,
}

/// Names of the values of a kind of argument.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    pub kind: FamilyKind,
    /// Mixed: these bits are a number, the rest are flags. Enum: only these bits count.
    #[serde(default)]
    pub mask: Option<u64>,
    #[serde(default)]
    pub note: Option<String>,
    pub values: BTreeMap<String, i128>,
    /// Numbers that differ on arm64, or exist only there.
    #[serde(default)]
    pub arm64: BTreeMap<String, i128>,
    #[serde(default)]
    pub not_on_arm64: Vec<String>,
    /// Second names: accepted in filters, never printed.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyKind {
    Enum,
    Bits,
    Mixed,
}

/// How a scalar of a C type is read from a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Bool,
    U8,
    U16,
    I32,
    U32,
    /// As wide as the caller's registers.
    Long,
    ULong,
    I64,
    U64,
    Pointer,
}

/// The scalar that a C type is, or `None` for a type this table does not know.
pub fn scalar(c_type: &str) -> Option<Scalar> {
    if c_type.ends_with('*') || c_type.ends_with(']') {
        return Some(Scalar::Pointer);
    }
    Some(match c_type {
        "bool" => Scalar::Bool,
        "unsigned char" => Scalar::U8,
        "unsigned short" | "mode_t" => Scalar::U16,
        "int"
        | "pid_t"
        | "key_t"
        | "key_serial_t"
        | "clockid_t"
        | "timer_t"
        | "mqd_t"
        | "rwf_t"
        | "enum landlock_rule_type" => Scalar::I32,
        // ids: -1 means "unchanged" to the calls that take them, and people write it so
        "uid_t" | "gid_t" => Scalar::I32,
        "unsigned int" | "uint32_t" | "qid_t" | "dev_t" => Scalar::U32,
        "long" | "off_t" => Scalar::Long,
        "unsigned long" | "size_t" | "aio_context_t" => Scalar::ULong,
        "loff_t" => Scalar::I64,
        "uint64_t" | "ino_t" => Scalar::U64,
        "cap_user_header_t" | "cap_user_data_t" => Scalar::Pointer,
        _ => return None,
    })
}
