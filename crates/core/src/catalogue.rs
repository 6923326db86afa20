//! What the build made of `catalogue/`: every event, its arguments, and the names of their values. What signatures find
//! are events beside these, see [`crate::findings`].

use crate::findings::{self, Detection};

/// One kind of event. Its place in [`EVENTS`] is its index, the number that records carry.
#[derive(Debug)]
pub struct Event {
    pub name: &'static str,
    /// The number that users see.
    pub id: u32,
    pub category: &'static str,
    pub about: &'static str,
    pub sets: &'static [&'static str],
    /// Ways to take it, best first.
    pub attach: &'static [Way],
    pub syscall: bool,
    pub args: &'static [Arg],
    /// Of what a signature finds: what is told of that.
    pub detection: Option<&'static Detection>,
}

impl Event {
    /// Indices of the events that this one is derived from, by any of its ways.
    pub fn bases(&self) -> impl Iterator<Item = u16> {
        self.attach.iter().flat_map(|way| way.hooks).filter_map(Hook::base)
    }
}

/// A way to take an event: all its hooks together.
#[derive(Debug)]
pub struct Way {
    pub hooks: &'static [Hook],
    /// What is not seen, or not known, this way; empty where nothing is.
    pub misses: &'static str,
}

/// A place where an event can be taken.
#[derive(Debug)]
pub struct Hook {
    /// `HOOK_KINDS` of the catalogue's crate.
    pub kind: &'static str,
    /// A function, a tracepoint, a group of system calls, ... by kind.
    pub target: &'static str,
    /// The program of the kernel side; `None`: user space does it.
    pub program: Option<&'static str>,
}

impl Way {
    /// The hooks, as the catalogue spells them: `fexit:vfs_read`.
    pub fn name(&self) -> String {
        self.hooks.iter().map(Hook::name).collect::<Vec<_>>().join(" + ")
    }
}

impl Hook {
    /// Of a hook that derives from an event: that event's index.
    pub fn base(&self) -> Option<u16> {
        (self.kind == "derived").then(|| by_name(self.target)).flatten().map(|(index, _)| index)
    }

    /// As the catalogue spells it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.kind, self.target)
    }
}

/// A system call as the kernel's tables have it.
#[derive(Debug)]
pub struct Call {
    pub number: u32,
    pub name: &'static str,
}

#[derive(Debug)]
pub struct Arg {
    pub name: &'static str,
    pub c_type: &'static str,
    pub kind: Kind,
    pub names: Names,
    /// The chunk of the record that holds it; `None`: its register is all there is.
    pub chunk: Option<u8>,
    /// A descriptor whose chunk is the path of its file.
    pub file: bool,
    /// Another argument that tells the same in another way: a filter on this one takes either.
    pub also: Option<usize>,
}

/// How an argument is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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
    String,
    StringList,
    SockAddr,
    Timespec,
    TimespecPair,
    FdPair,
    /// ns since boot
    BootTime,
    Cred,
    Syscall,
    Numbers,
    Symbols,
    Address,
    Raw,
    /// [`crate::tree`]
    Tree(&'static Type),
}

/// What a part of a tree is.
#[derive(Debug, PartialEq, Eq)]
pub enum Type {
    /// The family of its names.
    Number(Option<u16>),
    Text,
    Address,
    /// An index of [`SHAPES`].
    Struct(u16),
    List(&'static Type),
    /// From texts.
    Map(&'static Type),
}

/// Named parts, in order.
#[derive(Debug)]
pub struct Shape {
    pub name: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub of: Type,
}

impl Arg {
    /// What filters call it, and its parts.
    pub fn fields(&self) -> Vec<String> {
        match self.kind {
            Kind::Tree(of) => crate::tree::paths(of).iter().map(|path| format!("data.{}.{path}", self.name)).collect(),
            _ => vec![format!("data.{}", self.name)],
        }
    }
}

/// Where the names of an argument's values come from.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    None,
    /// An index of [`FAMILIES`].
    Family(u16),
    /// By the value of argument `arg`, whose own family is `of`: its name, to the family it brings.
    By {
        arg: u8,
        of: u16,
        cases: &'static [(&'static str, u16)],
    },
}

/// Names of the values of a kind of argument.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: FamilyKind,
    /// Mixed: these bits are a number, the rest are flags. Enum: only these bits count.
    pub mask: Option<u64>,
    /// Name, value, and whether it is a second name that is never printed.
    pub values: &'static [(&'static str, i64, bool)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    Enum,
    Bits,
    Mixed,
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The event of that name, with its index.
pub fn by_name(name: &str) -> Option<(u16, &'static Event)> {
    (0u16..).zip(&EVENTS).find(|(_, event)| event.name == name).or_else(|| findings::by_name(name))
}

/// The event with that index.
#[inline]
pub fn by_index(index: u16) -> Option<&'static Event> {
    EVENTS.get(usize::from(index)).or_else(|| findings::kind(index))
}

/// The word of `known` most like `word`, if any is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// ` (nearest: WORD)`, or nothing where no word is near.
pub fn nearest_hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!(" (nearest: {near})")).unwrap_or_default()
}
