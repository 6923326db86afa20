//! A batch of records, from the ring to text: decode, filter, format, in that order.

use std::sync::Arc;

use zerocopy::IntoBytes;

use crate::event::Event;
use crate::filter::Filter;
use crate::format::{Context, Format};
use crate::record;
use crate::tasks::Tasks;
use crate::time::Clock;

/// An output hands its buffer on at this size.
pub const BLOCK: usize = 256 << 10;

/// Where formatted text goes, a block at a time.
pub trait Sink: Send {
    /// Takes the text in `block` and leaves it empty. May wait: what happens meanwhile is kept in the rings.
    fn write(&mut self, block: &mut Vec<u8>);
}

/// Events for a reader that wants them as events: a batch of matched records, each with what the pipeline found out.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records, each at the start of a word, as their heads must be.
    words: Vec<u64>,
    rows: Vec<Row>,
    pub clock: Clock,
}

#[derive(Debug)]
struct Row {
    /// In words.
    start: usize,
    /// In bytes.
    length: usize,
    matched: u64,
    executable: Option<Arc<[u8]>>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Event `index`, with the policies that it matched and its process's executable.
    pub fn get(&self, index: usize) -> Option<(Event<'_>, u64, Option<&[u8]>)> {
        let row = self.rows.get(index)?;
        let event = Event::read(&self.words[row.start..].as_bytes()[..row.length])?;
        Some((event, row.matched, row.executable.as_deref()))
    }

    fn push(&mut self, record: &[u8], matched: u64, executable: Option<Arc<[u8]>>) {
        let start = self.words.len();
        self.words.resize(start + record.len().div_ceil(8), 0);
        self.words[start..].as_mut_bytes()[..record.len()].copy_from_slice(record);
        self.rows.push(Row { start, length: record.len(), matched, executable });
    }
}

/// Takes whole batches. May wait, like a [`Sink`].
pub trait Subscriber: Send {
    fn take(&mut self, batch: Batch);
}

struct Output {
    format: Box<dyn Format>,
    buffer: Vec<u8>,
    sink: Box<dyn Sink>,
}

/// What has gone through so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events read from the rings.
    pub read: u64,
    /// Those that a policy matched.
    pub matched: u64,
    /// Records that made no sense.
    pub malformed: u64,
    /// Bytes handed to outputs.
    pub bytes: u64,
}

pub struct Pipeline {
    filter: Filter,
    policy_names: Vec<String>,
    pub tasks: Tasks,
    pub clock: Clock,
    host_mount_ns: u32,
    outputs: Vec<Output>,
    subscriber: Option<Box<dyn Subscriber>>,
    batch: Batch,
    pub counters: Counters,
}

impl Pipeline {
    pub fn new(filter: Filter, policy_names: Vec<String>, host_mount_ns: u32) -> Pipeline {
        Pipeline {
            filter,
            policy_names,
            tasks: Tasks::default(),
            clock: Clock::now(),
            host_mount_ns,
            outputs: Vec::new(),
            subscriber: None,
            batch: Batch::default(),
            counters: Counters::default(),
        }
    }

    pub fn add_output(&mut self, mut format: Box<dyn Format>, sink: Box<dyn Sink>) {
        let mut buffer = Vec::with_capacity(BLOCK + (16 << 10));
        format.begin(&mut buffer);
        self.outputs.push(Output { format, buffer, sink });
    }

    /// Events as events go to `subscriber`; there is one.
    pub fn set_subscriber(&mut self, subscriber: Box<dyn Subscriber>) {
        self.subscriber = Some(subscriber);
    }

    /// Takes one record: an event, or one of the control ring.
    pub fn record(&mut self, bytes: &[u8]) {
        let Some(event) = Event::read(bytes) else {
            let control = record::split(bytes).is_some_and(|(head, rest)| self.tasks.control(head, rest));
            self.counters.malformed += u64::from(!control);
            return;
        };
        self.counters.read += 1;
        let executable = self.tasks.executable(event.head.task.host_pid);
        let matched = self.filter.matching(&event, executable.map(|e| &*e.path));
        if matched == 0 {
            return;
        }
        self.counters.matched += 1;
        let context = Context {
            clock: self.clock,
            executable,
            matched,
            policy_names: &self.policy_names,
            host_mount_ns: self.host_mount_ns,
        };
        for output in &mut self.outputs {
            output.format.write(&mut output.buffer, &event, &context);
            if output.buffer.len() >= BLOCK {
                self.counters.bytes += output.buffer.len() as u64;
                output.sink.write(&mut output.buffer);
            }
        }
        if self.subscriber.is_some() {
            self.batch.push(bytes, matched, executable.map(|e| e.path.clone()));
            if self.batch.words.len() * 8 >= BLOCK {
                self.hand_over();
            }
        }
    }

    /// Hands on what is waiting in buffers.
    pub fn flush(&mut self) {
        for output in self.outputs.iter_mut().filter(|o| !o.buffer.is_empty()) {
            self.counters.bytes += output.buffer.len() as u64;
            output.sink.write(&mut output.buffer);
        }
        if !self.batch.is_empty() {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.clock = self.clock;
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.take(batch);
        }
    }
}
