//! A batch of records, from the ring to text: decode, filter, format, in that order.

use std::sync::Arc;

use zerocopy::IntoBytes;

use crate::event::Event;
use crate::filter::Filter;
use crate::format::{Context, Format};
use crate::record::{self, Owned};
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
    names: Arc<Vec<String>>,
    executable: Option<Arc<[u8]>>,
}

/// An event of a [`Batch`].
pub struct Member<'a> {
    pub event: Event<'a>,
    /// The policies that it matched, by their places in `names`.
    pub matched: u64,
    pub names: &'a [String],
    pub executable: Option<&'a [u8]>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<Member<'_>> {
        let row = self.rows.get(index)?;
        let event = Event::read(&self.words[row.start..].as_bytes()[..row.length])?;
        Some(Member { event, matched: row.matched, names: &row.names, executable: row.executable.as_deref() })
    }

    /// The bytes of event `index`.
    pub fn record(&self, index: usize) -> Option<&[u8]> {
        let row = self.rows.get(index)?;
        Some(&self.words[row.start..].as_bytes()[..row.length])
    }

    fn push(&mut self, record: &[u8], matched: u64, executable: Option<Arc<[u8]>>, names: &Arc<Vec<String>>) {
        let start = self.words.len();
        self.words.resize(start + record.len().div_ceil(8), 0);
        self.words[start..].as_mut_bytes()[..record.len()].copy_from_slice(record);
        self.rows.push(Row { start, length: record.len(), matched, names: names.clone(), executable });
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

/// What records of one of the kernel side's plans are tested by, and the names of its policies.
#[derive(Debug, Default)]
pub struct Policies {
    pub filter: Filter,
    pub names: Arc<Vec<String>>,
}

pub struct Pipeline {
    /// By bank, see [`record::flags::BANK`].
    policies: [Policies; 2],
    /// The one in use.
    bank: usize,
    pub tasks: Tasks,
    pub clock: Clock,
    host_mount_ns: u32,
    outputs: Vec<Output>,
    subscriber: Option<Box<dyn Subscriber>>,
    batch: Batch,
    pub counters: Counters,
}

impl Pipeline {
    pub fn new(policies: Policies, host_mount_ns: u32) -> Pipeline {
        Pipeline {
            policies: [policies, Policies::default()],
            bank: 0,
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

    /// Takes what the other bank's records are tested by from now on; those of this bank still come.
    pub fn replace(&mut self, policies: Policies, bank: usize) {
        self.bank = bank % self.policies.len();
        self.policies[self.bank] = policies;
    }

    /// Takes the record of an event that user space itself tells: all slots may match.
    pub fn tell(&mut self, mut record: Owned) {
        record.set_slots(u64::MAX, self.bank == 1);
        self.record(record.as_bytes());
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
        let policies = &self.policies[usize::from(event.head.flags & record::flags::BANK != 0)];
        let matched = policies.filter.matching(&event, executable.map(|e| &*e.path));
        if matched == 0 {
            return;
        }
        self.counters.matched += 1;
        let context = Context {
            clock: self.clock,
            executable,
            matched,
            policy_names: &policies.names,
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
            let names = &policies.names;
            self.batch.push(bytes, matched, executable.map(|e| e.path.clone()), names);
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
