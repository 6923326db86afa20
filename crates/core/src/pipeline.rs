//! A batch of records, from the ring to text: decode, filter, format, in that order.

mod contained;
mod networked;

use std::sync::Arc;

use zerocopy::IntoBytes;

use crate::catalogue::index;
use crate::containers::waiting::{Held, Waiting};
use crate::containers::{Containers, Details};
use crate::event::Event;
use crate::filter::Filter;
use crate::format::{Context, Format};
use crate::network::capture::Kept;
use crate::network::keeper::Keeper;
use crate::network::Network;
use crate::record::{self, control, Head, Owned};
use crate::tasks::{Lineage, Lineages, Tasks};
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
    container: Option<Arc<Details>>,
    lineage: Option<Arc<Lineage>>,
}

/// An event of a [`Batch`].
pub struct Member<'a> {
    pub event: Event<'a>,
    /// The policies that it matched, by their places in `names`.
    pub matched: u64,
    pub names: &'a [String],
    pub executable: Option<&'a [u8]>,
    pub container: Option<&'a Arc<Details>>,
    pub lineage: Option<&'a Arc<Lineage>>,
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
        let (executable, names) = (row.executable.as_deref(), &row.names);
        let (container, lineage) = (row.container.as_ref(), row.lineage.as_ref());
        Some(Member { event, matched: row.matched, names, executable, container, lineage })
    }

    /// The bytes of event `index`.
    pub fn record(&self, index: usize) -> Option<&[u8]> {
        let row = self.rows.get(index)?;
        Some(&self.words[row.start..].as_bytes()[..row.length])
    }

    fn push(&mut self, record: &[u8], context: &Context, names: &Arc<Vec<String>>) {
        let start = self.words.len();
        self.words.resize(start + record.len().div_ceil(8), 0);
        self.words[start..].as_mut_bytes()[..record.len()].copy_from_slice(record);
        self.rows.push(Row {
            start,
            length: record.len(),
            matched: context.matched,
            names: names.clone(),
            executable: context.executable.map(|executable| executable.path.clone()),
            container: context.container.cloned(),
            lineage: context.lineage.cloned(),
        });
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
    /// Containers whose events went on without an answer of their runtime, which came too late, or had no room to wait.
    pub containers_unnamed: u64,
    /// Containers that had no room in the table, and count as the host.
    pub containers_left_out: u64,
}

/// What records of one of the kernel side's plans are tested by, and the names of its policies.
#[derive(Debug, Default)]
pub struct Policies {
    pub filter: Filter,
    pub names: Arc<Vec<String>>,
}

pub struct Pipeline {
    /// By bank, see [`record::flags::BANK`].
    policies: [Arc<Policies>; 2],
    /// The one in use.
    bank: usize,
    pub tasks: Tasks,
    pub containers: Containers,
    waiting: Waiting,
    /// ns since boot, as of the last [`Pipeline::settle`]
    now: u64,
    /// Where ancestors are shown.
    lineages: Option<Lineages>,
    pub clock: Clock,
    network: Network,
    keeper: Option<Keeper>,
    host_mount_ns: u32,
    exits: Exits,
    pub counters: Counters,
}

/// Where events go.
#[derive(Default)]
struct Exits {
    outputs: Vec<Output>,
    subscriber: Option<Box<dyn Subscriber>>,
    batch: Batch,
}

impl Pipeline {
    pub fn new(policies: Policies, host_mount_ns: u32) -> Pipeline {
        let mut containers = Containers::default();
        containers.set_conditions(0, &policies.filter.containers);
        Pipeline {
            policies: [Arc::new(policies), Arc::default()],
            bank: 0,
            tasks: Tasks::default(),
            containers,
            waiting: Waiting::default(),
            now: 0,
            lineages: None,
            clock: Clock::now(),
            network: Network::default(),
            keeper: None,
            host_mount_ns,
            exits: Exits::default(),
            counters: Counters::default(),
        }
    }

    pub fn add_output(&mut self, mut format: Box<dyn Format>, sink: Box<dyn Sink>) {
        let mut buffer = Vec::with_capacity(BLOCK + (16 << 10));
        format.begin(&mut buffer);
        self.exits.outputs.push(Output { format, buffer, sink });
    }

    /// Events come with the ancestors of their process.
    pub fn show_ancestors(&mut self) {
        self.lineages = Some(Lineages::new());
    }

    /// Events as events go to `subscriber`; there is one.
    pub fn set_subscriber(&mut self, subscriber: Box<dyn Subscriber>) {
        self.exits.subscriber = Some(subscriber);
    }

    /// Gets ready for [`Pipeline::replace`]: what the kernel side is to know of containers by then.
    pub fn prepare(&mut self, policies: &Policies, bank: usize) {
        self.containers.set_conditions(bank, &policies.filter.containers);
    }

    /// Packets that the kernel side sends whole are kept in files, too.
    pub fn keep_packets(&mut self, keeper: Keeper) {
        self.keeper = Some(keeper);
    }

    /// What was kept of packets, and what went wrong with that since this was asked last.
    pub fn kept_packets(&mut self) -> (Kept, Option<String>) {
        self.keeper.as_mut().map_or_else(Default::default, |keeper| (keeper.kept(), keeper.problem()))
    }

    /// Takes what the other bank's records are tested by from now on; those of this bank still come.
    pub fn replace(&mut self, policies: Policies, bank: usize) {
        self.bank = bank % self.policies.len();
        self.policies[self.bank] = Arc::new(policies);
    }

    /// Takes the record of an event that user space itself tells: all slots may match.
    pub fn tell(&mut self, mut record: Owned) {
        record.set_slots(u64::MAX, self.bank == 1);
        self.record(record.as_bytes());
    }

    /// Takes one record: an event, one that events are made of, or one of the control ring.
    pub fn record(&mut self, bytes: &[u8]) {
        let Some(event) = Event::read(bytes) else { return self.other(bytes) };
        let container = self.container_of(event.head);
        self.event(bytes, &event, container);
        if event.head.event == index::SECURITY_SOCKET_CONNECT {
            self.connected(&event);
        }
    }

    /// A record that is no event itself.
    fn other(&mut self, bytes: &[u8]) {
        let Some((head, rest)) = record::split(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let whole = match head.event {
            control::PACKET => self.packet(head, rest),
            control::FLOW => self.flow(head, rest),
            _ => self.control(head, rest),
        };
        if let Some(keeper) = self.keeper.as_mut().filter(|_| head.event == control::FORK) {
            keeper.begun(head.task.host_pid);
        }
        self.counters.malformed += u64::from(!whole);
    }

    /// Takes an event that was made of another record.
    fn made(&mut self, record: &Owned) {
        if let Some(event) = Event::read(record.as_bytes()) {
            let container = self.container_of(event.head);
            self.event(record.as_bytes(), &event, container);
        }
    }

    fn policies_of(&self, head: &Head) -> &Policies {
        &self.policies[usize::from(head.flags & record::flags::BANK != 0)]
    }

    /// `container`: its key.
    fn event(&mut self, bytes: &[u8], event: &Event, container: Option<u32>) {
        self.counters.read += 1;
        let executable = self.tasks.executable(event.head.task.host_pid);
        let bank = usize::from(event.head.flags & record::flags::BANK != 0);
        let (subject, waits) = self.subject(container);
        let passed = self.containers.passed(container, bank, waits);
        let policies = &self.policies[bank];
        let matched = policies.filter.matching_with(event, executable.map(|e| &*e.path), subject, passed);
        if matched == 0 {
            return;
        }
        let parent = event.head.task.host_ppid;
        let lineage = self.lineages.as_mut().map(|lineages| lineages.below(parent, &self.tasks));
        if let (Some(key), true) = (container, waits) {
            let held = Held::event(bytes, policies, executable, lineage);
            return self.hold(key, held);
        }
        self.counters.matched += 1;
        let context = Context {
            clock: self.clock,
            executable,
            container: container.and_then(|key| self.containers.inside(key)).map(|inside| inside.details),
            lineage,
            matched,
            policy_names: &policies.names,
            host_mount_ns: self.host_mount_ns,
        };
        self.exits.take(bytes, event, &context, &policies.names, &mut self.counters);
    }

    /// Hands on what is waiting in buffers.
    pub fn flush(&mut self) {
        self.exits.flush(self.clock, &mut self.counters);
        if let Some(keeper) = &mut self.keeper {
            keeper.flush();
        }
    }
}

impl Exits {
    fn take(
        &mut self,
        bytes: &[u8],
        event: &Event,
        context: &Context,
        names: &Arc<Vec<String>>,
        counters: &mut Counters,
    ) {
        for output in &mut self.outputs {
            output.format.write(&mut output.buffer, event, context);
            if output.buffer.len() >= BLOCK {
                counters.bytes += output.buffer.len() as u64;
                output.sink.write(&mut output.buffer);
            }
        }
        if self.subscriber.is_some() {
            self.batch.push(bytes, context, names);
            if self.batch.words.len() * 8 >= BLOCK {
                self.hand_over(context.clock);
            }
        }
    }

    fn flush(&mut self, clock: Clock, counters: &mut Counters) {
        for output in self.outputs.iter_mut().filter(|o| !o.buffer.is_empty()) {
            counters.bytes += output.buffer.len() as u64;
            output.sink.write(&mut output.buffer);
        }
        if !self.batch.is_empty() {
            self.hand_over(clock);
        }
    }

    fn hand_over(&mut self, clock: Clock) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.clock = clock;
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.take(batch);
        }
    }
}
