//! What the pipeline does for containers: it follows their cgroups, tells of them, and holds their events while their
//! runtime is asked.

use zerocopy::IntoBytes;

use super::Pipeline;
use crate::catalogue::index;
use crate::containers::waiting::Held;
use crate::containers::{self, Metadata, Standing, Subject};
use crate::event::Event;
use crate::filter::Takers;
use crate::format::Context;
use crate::record::{self, control, Head};

impl Pipeline {
    /// Takes in a control record; whether it was one.
    pub(super) fn control(&mut self, head: &Head, rest: &[u8]) -> bool {
        let cgroup = head.args[0];
        match head.event {
            control::CGROUP_MADE => {
                let path = record::chunks(rest).next().map_or(&[][..], |chunk| chunk.bytes);
                let new = self.containers.made(cgroup, path, head.time);
                self.counters.containers_left_out = self.containers.turned_away;
                if let Some(key) = new {
                    self.tell_of(key, index::CONTAINER_CREATE, head.time, head.cpu);
                }
            }
            control::CGROUP_GONE => {
                if let Some(key) = self.containers.gone(cgroup) {
                    let inside = self.containers.inside(key);
                    if let (Some(detecting), Some(inside)) = (&mut self.detecting, inside) {
                        detecting.container_gone(&inside.details.id);
                    }
                    self.tell_of(key, index::CONTAINER_REMOVE, head.time, head.cpu);
                    if !self.waiting.has(key) {
                        self.containers.forget_if_gone(key);
                    }
                }
            }
            _ => return self.tasks.control(head, rest),
        }
        true
    }

    /// Tells of the containers that are there.
    pub fn tell_existing(&mut self) {
        for key in self.containers.keys() {
            self.tell_of(key, index::EXISTING_CONTAINER, self.now, 0);
        }
    }

    /// Takes a runtime's answer about a container, `None` where it knows none of that id: what waited for it goes on.
    pub fn answer(&mut self, id: &str, metadata: Option<Metadata>) {
        if let Some(key) = self.containers.answer(id, metadata) {
            self.release(key);
        }
    }

    /// Lets go what has waited long enough. `now`: ns since boot.
    pub fn settle(&mut self, now: u64) {
        self.now = now;
        self.settle_digests(now);
        while let Some(key) = self.waiting.overdue(now) {
            self.containers.give_up(key);
            self.counters.containers_unnamed += 1;
            self.release(key);
        }
    }

    /// Whether events wait for the answers of runtimes, or for files to be read.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.waits_for_digests()
    }

    /// The key of the container that the task of an event is in.
    pub(super) fn container_of(&mut self, head: &Head) -> Option<u32> {
        let (key, new) = self.containers.find(head.task.cgroup_id, head.time);
        if let (Some(key), true) = (key, new) {
            self.tell_of(key, index::CONTAINER_CREATE, head.time, head.cpu);
        }
        key
    }

    /// The container as filters see it, and whether its events wait.
    pub(super) fn subject(&self, key: Option<u32>) -> (Subject<'_>, bool) {
        match key.and_then(|key| self.containers.inside(key)) {
            Some(inside) => {
                let waits = inside.standing == Standing::Asked;
                (Subject { container: Some(inside.details), open: waits }, waits)
            }
            None => (Subject::default(), false),
        }
    }

    pub(super) fn hold(&mut self, key: u32, held: Held) {
        self.waiting.hold(key, held, self.now);
        if self.waiting.is_full() {
            self.settle(self.now);
        }
    }

    fn tell_of(&mut self, key: u32, event: u16, time: u64, cpu: u16) {
        if !self.policies[self.bank].filter.wants(event) {
            return;
        }
        let Some(inside) = self.containers.inside(key) else { return };
        if inside.standing == Standing::Asked {
            return self.hold(key, Held::Told { event, time, cpu });
        }
        let mut record = containers::told(event, inside.details, self.containers.cgroup(key), time, cpu);
        record.set_slots(u64::MAX, self.bank == 1);
        let Some(event) = Event::read(record.as_bytes()) else { return };
        self.event(record.as_bytes(), &event, Some(key));
    }

    fn release(&mut self, key: u32) {
        for held in self.waiting.take(key) {
            self.let_go(Some(key), held);
        }
        self.containers.forget_if_gone(key);
    }

    /// An event goes on that has waited. `container`: its key.
    pub(super) fn let_go(&mut self, container: Option<u32>, held: Held) {
        let (words, length, policies, executable, lineage, sha256, detected) = match held {
            Held::Told { event, time, cpu } => {
                if let Some(key) = container {
                    self.tell_of(key, event, time, cpu);
                }
                return;
            }
            Held::Event { words, length, policies, executable, lineage, sha256, detected } => {
                (words, length, policies, executable, lineage, sha256, detected)
            }
        };
        let bytes = &words.as_bytes()[..length];
        let Some(event) = Event::read(bytes) else { return };
        let (subject, _) = self.subject(container);
        let executable = executable.as_ref();
        let passed = policies.filter.containers.passed(subject);
        let path = executable.map(|e| &*e.path);
        let matched = policies.filter.matching_with(&event, path, subject, passed);
        let takers = match self.detecting {
            Some(_) if !detected => policies.filter.taking(&event, path, subject, passed),
            _ => Takers::new(),
        };
        if matched == 0 && takers.is_empty() {
            return;
        }
        let context = Context {
            clock: self.clock,
            executable,
            container: container.and_then(|key| self.containers.inside(key)).map(|inside| inside.details),
            lineage: lineage.as_ref(),
            matched,
            policy_names: &policies.names,
            host_mount_ns: self.host_mount_ns,
            sha256: sha256.as_ref().map(Option::as_deref),
        };
        if let Some(detecting) = self.detecting.as_mut().filter(|_| !detected) {
            detecting.take(bytes, &context, &policies, takers);
        }
        self.exits.take(bytes, &event, &context, &policies, &mut self.counters);
    }
}
