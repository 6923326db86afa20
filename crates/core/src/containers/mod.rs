//! Containers, by the cgroups of their tasks: what a cgroup's path tells ([`path`]), what the runtime tells later, which
//! slots that leaves ([`conditions`]), and events that wait for it ([`waiting`]).

pub mod conditions;
pub mod details;
pub mod image;
pub mod path;
mod table;
pub mod waiting;

pub use conditions::{Condition, Conditions, Subject};
pub use details::{Details, Metadata};
pub use table::{Change, Containers, Machine, Question, Shown, Standing};

use crate::catalogue::index;
use crate::record::{Head, Owned, TaskContext};

/// The record of an event about a container: no task's deed, so that only what is asked of containers applies to it.
pub fn told(event: u16, details: &Details, cgroup: u64, time: u64, cpu: u16) -> Owned {
    let task = TaskContext { cgroup_id: cgroup, ..TaskContext::default() };
    let mut record = Owned::new(&Head { time, event, cpu, task, ..Head::default() });
    let mut text = |text: &str| record.push_chunk(text.as_bytes(), 0);
    text(details.runtime());
    text(&details.id);
    if event == index::CONTAINER_REMOVE {
        return record;
    }
    record.push_chunk(&details.made.to_le_bytes(), 0);
    let known = &details.metadata;
    let texts = [&known.image, &known.image_digest, &known.name, &known.pod_name, &known.pod_namespace, &known.pod_uid];
    texts.iter().for_each(|text| record.push_chunk(text.as_bytes(), 0));
    record.push_chunk(&u64::from(known.sandbox).to_le_bytes(), 0);
    record
}
