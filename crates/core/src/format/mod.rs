//! Events as text: one file a format.

pub mod json;
pub mod table;
pub mod template;
mod tree;

use std::sync::Arc;

use crate::containers::Details;
use crate::event::Event;
use crate::names;
use crate::record::TaskContext;
use crate::tasks::{Executable, Lineage};
use crate::time::Clock;
use crate::value::Value;

/// What a format knows beyond the event.
pub struct Context<'a> {
    pub clock: Clock,
    pub executable: Option<&'a Executable>,
    /// `None`: the host.
    pub container: Option<&'a Arc<Details>>,
    /// `None`: not to be shown.
    pub lineage: Option<&'a Arc<Lineage>>,
    /// Policies that the event matched.
    pub matched: u64,
    pub policy_names: &'a [String],
    /// The host's own mount namespace.
    pub host_mount_ns: u32,
    /// Of the file that was executed, in hexadecimal; `Some(None)`: it could not be had, `None`: nobody asked.
    pub sha256: Option<Option<&'a str>>,
}

impl Context<'_> {
    /// Names of the policies that the event matched; the unnamed one of the command line's flags is left out.
    pub fn matched_names(&self) -> impl Iterator<Item = &str> {
        let named = self.policy_names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        named.filter(|(i, _)| self.matched >> i & 1 != 0).map(|(_, name)| name.as_str())
    }
}

/// How events are shown, whatever the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// Flags, commands and errors by name.
    pub parse_arguments: bool,
    pub times: Times,
}

/// What an event's own time is counted from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    /// 1970.
    #[default]
    Wall,
    /// A moment, in ns since boot; what came before it has 0.
    Since(u64),
    /// They are left out.
    None,
}

impl Shown {
    /// The number for a time since boot, in ns; `None`: it is left out.
    pub fn time(&self, since_boot: u64, clock: Clock) -> Option<u64> {
        match self.times {
            Times::Wall => Some(clock.wall(since_boot)),
            Times::Since(begun) => Some(since_boot.saturating_sub(begun)),
            Times::None => None,
        }
    }
}

/// A way to write events, one after the other, into a buffer.
pub trait Format: Send {
    /// What goes before the first event.
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    /// Appends the event, with its line's end.
    fn write(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context);
}

pub(crate) fn push_int(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The number behind a value that may have a name.
fn nameable(value: &Value) -> Option<i64> {
    match value {
        Value::Int(i) => Some(*i),
        Value::Uint(u) => Some(*u as i64),
        _ => None,
    }
}

/// Appends a value's name, where it has one; whether it had.
pub(crate) fn write_name(out: &mut Vec<u8>, event: &Event, index: usize, value: &Value) -> bool {
    let Some(number) = nameable(value) else { return false };
    let other = |i| nameable(&event.value(i)).unwrap_or(0);
    match names::family_of(&event.info.args[index], other) {
        Some(family) => {
            names::write(out, family, number);
            true
        }
        None => false,
    }
}

/// Text made from what stays the same for a task, kept until that changes. Bounded: a slot has room for one task.
pub(crate) struct TaskCache {
    slots: Vec<Slot>,
}

#[derive(Default, Clone)]
struct Slot {
    task: TaskContext,
    /// Of the executable, and of the container; 0: none known.
    serials: (u32, u32),
    lineage: Option<Arc<Lineage>>,
    filled: bool,
    text: Vec<u8>,
}

impl TaskCache {
    const SLOTS: usize = 512;

    pub fn new() -> TaskCache {
        TaskCache { slots: vec![Slot::default(); Self::SLOTS] }
    }

    /// The text for this task, made by `make` if it is not the one kept.
    pub fn text(&mut self, event: &Event, context: &Context, make: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let task = &event.head.task;
        let serials = (context.executable.map_or(0, |e| e.serial), context.container.map_or(0, |c| c.serial));
        let slot = &mut self.slots[task.host_tid as usize % Self::SLOTS];
        // lineages that are the same object are not compared
        let same_lineage = slot.lineage.as_ref() == context.lineage;
        if !slot.filled || slot.serials != serials || slot.task != *task || !same_lineage {
            slot.lineage = context.lineage.cloned();
            slot.task = *task;
            slot.serials = serials;
            slot.filled = true;
            slot.text.clear();
            make(&mut slot.text);
        }
        &slot.text
    }
}
