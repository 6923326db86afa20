//! Events for a reader that wants them as events: a batch of records, each with what the pipeline found out.

use std::sync::Arc;

use zerocopy::IntoBytes;

use super::Policies;
use crate::containers::Details;
use crate::event::Event;
use crate::filter::Takers;
use crate::format::Context;
use crate::tasks::{Executable, Lineage};
use crate::time::Clock;

#[derive(Debug, Default)]
pub struct Batch {
    /// Records, each at the start of a word, as their heads must be.
    words: Vec<u64>,
    rows: Vec<Row>,
    pub clock: Clock,
    pub host_mount_ns: u32,
}

#[derive(Debug)]
struct Row {
    /// In words.
    start: usize,
    /// In bytes.
    length: usize,
    matched: u64,
    policies: Arc<Policies>,
    executable: Option<Executable>,
    container: Option<Arc<Details>>,
    lineage: Option<Arc<Lineage>>,
    takers: Takers,
}

/// An event of a [`Batch`].
pub struct Member<'a> {
    pub event: Event<'a>,
    /// Its record.
    pub bytes: &'a [u8],
    /// The policies that it matched, by their places in the names of `policies`.
    pub matched: u64,
    pub policies: &'a Arc<Policies>,
    pub executable: Option<&'a Executable>,
    pub container: Option<&'a Arc<Details>>,
    pub lineage: Option<&'a Arc<Lineage>>,
}

impl Member<'_> {
    /// What formats are told of it.
    pub fn context(&self, clock: Clock, host_mount_ns: u32) -> Context<'_> {
        Context {
            clock,
            executable: self.executable,
            container: self.container,
            lineage: self.lineage,
            matched: self.matched,
            policy_names: &self.policies.names,
            host_mount_ns,
            sha256: None,
        }
    }
}

impl Batch {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The event that led to the finding `index`, alone.
    pub fn trigger(&self, index: usize) -> Option<Batch> {
        let member = self.get(index)?;
        let record = member.event.trigger()?;
        let names = Arc::new(member.event.trigger_policies());
        let policies = Arc::new(Policies { names, ..Policies::default() });
        let mut batch = Batch { clock: self.clock, ..Batch::default() };
        let context = Context { matched: u64::MAX, ..member.context(self.clock, self.host_mount_ns) };
        batch.push(record.as_bytes(), &context, &policies, Takers::new());
        Some(batch)
    }

    /// What its records take.
    pub fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    pub fn get(&self, index: usize) -> Option<Member<'_>> {
        let row = self.rows.get(index)?;
        let bytes = &self.words[row.start..].as_bytes()[..row.length];
        Some(Member {
            event: Event::read(bytes)?,
            bytes,
            matched: row.matched,
            policies: &row.policies,
            executable: row.executable.as_ref(),
            container: row.container.as_ref(),
            lineage: row.lineage.as_ref(),
        })
    }

    /// The bytes of event `index`.
    pub fn record(&self, index: usize) -> Option<&[u8]> {
        let row = self.rows.get(index)?;
        Some(&self.words[row.start..].as_bytes()[..row.length])
    }

    /// The signatures that event `index` is for.
    pub fn takers(&self, index: usize) -> &[u16] {
        self.rows.get(index).map_or(&[], |row| &row.takers)
    }

    pub(super) fn push(&mut self, record: &[u8], context: &Context, policies: &Arc<Policies>, takers: Takers) {
        let start = self.words.len();
        self.words.resize(start + record.len().div_ceil(8), 0);
        self.words[start..].as_mut_bytes()[..record.len()].copy_from_slice(record);
        self.host_mount_ns = context.host_mount_ns;
        self.rows.push(Row {
            start,
            length: record.len(),
            matched: context.matched,
            policies: policies.clone(),
            executable: context.executable.cloned(),
            container: context.container.cloned(),
            lineage: context.lineage.cloned(),
            takers,
        });
    }
}
