//! A batch of records, from the ring to text: decode, filter, format, in that order.

pub mod batch;
mod contained;
pub mod detected;
pub mod hashed;
mod networked;

use std::sync::Arc;
use std::time::Instant;

use self::hashed::{Digest, Hashes};
use crate::catalogue::{index, EVENTS};
use crate::containers::waiting::{Held, Waiting};
use crate::containers::Containers;
use crate::event::Event;
use crate::filter::{Filter, Takers};
use crate::format::{Context, Format};
use crate::network::capture::Kept;
use crate::network::keeper::Keeper;
use crate::network::{Network, Shown};
use crate::record::{self, control, Head, Owned};
use crate::tasks::{Lineages, Tasks};
use crate::time::Clock;
pub use batch::{Batch, Member};
use detected::Detecting;

/// An output hands its buffer on at this size.
pub const BLOCK: usize = 256 << 10;

/// Where formatted text goes, a block at a time.
pub trait Sink: Send {
    /// Takes the text in `block` and leaves it empty. May wait: what happens meanwhile is kept in the rings.
    fn write(&mut self, block: &mut Vec<u8>);
}

/// Takes whole batches. May wait, like a [`Sink`].
pub trait Subscriber: Send {
    fn take(&mut self, batch: Batch);
}

struct Output {
    format: Box<dyn Format>,
    buffer: Vec<u8>,
    sink: Box<dyn Sink>,
    /// ns that formatting has taken, estimated.
    busy: u64,
}

/// Of so many events one is timed, for the cost of formats.
const TIMED: u64 = 64;

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
    /// Findings of signatures.
    pub findings: u64,
    /// Findings that are not told, since too many findings led to them.
    pub findings_too_deep: u64,
}

/// What outputs were given so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Events, by their index in the catalogue.
    pub events: Vec<u64>,
    /// ns that formatting has taken by output, in the order of [`Pipeline::add_output`]; estimated from some of them.
    pub formats: Vec<u64>,
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
    hashes: Option<Hashes>,
    host_mount_ns: u32,
    exits: Exits,
    detecting: Option<Detecting>,
    pub counters: Counters,
}

/// Where events go.
#[derive(Default)]
struct Exits {
    outputs: Vec<Output>,
    /// Of this category alone, where one is set.
    category: Option<String>,
    /// Events taken, by index; empty before the first.
    tally: Vec<u64>,
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
            hashes: None,
            host_mount_ns,
            exits: Exits::default(),
            detecting: None,
            counters: Counters::default(),
        }
    }

    pub fn add_output(&mut self, mut format: Box<dyn Format>, sink: Box<dyn Sink>) {
        let mut buffer = Vec::with_capacity(BLOCK + (16 << 10));
        format.begin(&mut buffer);
        self.exits.outputs.push(Output { format, buffer, sink, busy: 0 });
    }

    /// Outputs get events of one category alone.
    pub fn show_only(&mut self, category: String) {
        self.exits.category = Some(category);
    }

    /// Copies what outputs were given so far.
    pub fn tally(&self, into: &mut Tally) {
        into.events.clone_from(&self.exits.tally);
        into.formats.clear();
        into.formats.extend(self.exits.outputs.iter().map(|output| output.busy));
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

    /// Names of addresses by DNS, for other threads.
    pub fn shown_names(&self) -> Shown {
        self.network.shown()
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
        if let Some(detecting) = self.detecting.as_mut().filter(|_| head.event == control::EXIT) {
            detecting.process_gone(head);
        }
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
        let path = executable.map(|e| &*e.path);
        let matched = policies.filter.matching_with(event, path, subject, passed);
        let takers = match self.detecting {
            Some(_) => policies.filter.taking(event, path, subject, passed),
            None => Takers::new(),
        };
        if matched == 0 && takers.is_empty() {
            return;
        }
        let parent = event.head.task.host_ppid;
        let lineage = self.lineages.as_mut().map(|lineages| lineages.below(parent, &self.tasks));
        let hashed = self.hashes.is_some() && matched != 0 && event.head.event == index::SCHED_PROCESS_EXEC;
        if let (Some(key), true) = (container, waits) {
            let held = Held::event(bytes, policies, executable, lineage);
            if hashed {
                return self.wait_for_digest(event, held, container, true);
            }
            return self.hold(key, held);
        }
        let context = Context {
            clock: self.clock,
            executable,
            container: container.and_then(|key| self.containers.inside(key)).map(|inside| inside.details),
            lineage,
            matched,
            policy_names: &policies.names,
            host_mount_ns: self.host_mount_ns,
            sha256: None,
        };
        if let Some(detecting) = &mut self.detecting {
            detecting.take(bytes, &context, policies, takers);
        }
        if hashed {
            let held = Held::event(bytes, policies, executable, lineage).after_signatures();
            return self.wait_for_digest(event, held, container, false);
        }
        self.exits.take(bytes, event, &context, policies, &mut self.counters);
    }

    /// An event goes on when what it waits for is known: its container, if that is `asked` about, and its file's digest.
    fn wait_for_digest(&mut self, event: &Event, held: Held, container: Option<u32>, asked: bool) {
        let held = match self.digest(event) {
            Some(Digest::Asked(version)) => return self.hold_for_digest(version, held, container),
            Some(Digest::Known(digest)) => held.with_digest(digest),
            None => held,
        };
        match container.filter(|_| asked) {
            Some(key) => self.hold(key, held),
            None => self.let_go(container, held),
        }
    }

    /// Hands on what is waiting in buffers.
    pub fn flush(&mut self) {
        self.exits.flush(self.clock, &mut self.counters);
        if let Some(detecting) = &mut self.detecting {
            detecting.flush(self.clock);
        }
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
        policies: &Arc<Policies>,
        counters: &mut Counters,
    ) {
        if context.matched == 0 {
            return;
        }
        counters.matched += 1;
        let place = usize::from(event.head.event);
        if self.tally.len() <= place {
            // findings have places beyond those of the catalogue
            self.tally.resize(EVENTS.len().max(place + 1), 0);
        }
        self.tally[place] += 1;
        let shown = self.category.as_ref().is_none_or(|category| event.info.category == category);
        let timed = counters.matched.is_multiple_of(TIMED);
        for output in self.outputs.iter_mut().filter(|_| shown) {
            let begun = timed.then(Instant::now);
            output.format.write(&mut output.buffer, event, context);
            output.busy += begun.map_or(0, |begun| begun.elapsed().as_nanos() as u64 * TIMED);
            if output.buffer.len() >= BLOCK {
                counters.bytes += output.buffer.len() as u64;
                output.sink.write(&mut output.buffer);
            }
        }
        if self.subscriber.is_some() {
            self.batch.push(bytes, context, policies, Takers::new());
            if self.batch.bytes() >= BLOCK {
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
