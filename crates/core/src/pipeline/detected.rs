//! Events on their way to signatures, and what these find on its way back. Nothing here waits for a signature: what finds no
//! room on the way there is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Batch, Pipeline, Policies, BLOCK};
use crate::containers::{Details, Subject};
use crate::event::Event;
use crate::filter::Takers;
use crate::findings;
use crate::format::Context;
use crate::record::{Head, Owned};
use crate::tasks::{Executable, Lineage};
use crate::time::Clock;

/// How long signatures may still look, when all events have been read, in ns.
pub const PATIENCE: u64 = 2_000_000_000;

/// To wake them costs more than an event does, so they are handed a few at once; and nobody waits for a finding longer.
const PAUSE: Duration = Duration::from_millis(50);

/// What signatures are told beside events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Its pid on the host; ns since boot, when it began.
    ProcessGone {
        pid: u32,
        start: u64,
    },
    ContainerGone {
        id: String,
    },
    /// No more events come.
    Shutdown,
}

/// Events in the order of time, and what happened up to the last of them.
#[derive(Debug, Default)]
pub struct Portion {
    pub events: Batch,
    pub signals: Vec<Signal>,
}

/// What a signature found, with what was known of the event that led to it.
#[derive(Debug)]
pub struct Found {
    pub record: Owned,
    pub policies: Arc<Policies>,
    pub executable: Option<Executable>,
    pub container: Option<Arc<Details>>,
    pub lineage: Option<Arc<Lineage>>,
}

/// Those who look at events.
pub trait Detector: Send {
    /// Takes events, or gives them back where there is no room. Does not wait.
    ///
    /// # Errors
    /// There is no room: the portion.
    fn take(&mut self, portion: Portion) -> Result<(), Portion>;

    /// Events that are not looked at, by index.
    fn missed(&mut self, events: &mut dyn Iterator<Item = u16>);

    /// What was found since the last call.
    fn found(&mut self) -> Vec<Found>;

    /// All that was taken has been looked at.
    fn is_idle(&self) -> bool;

    /// Whether there is anybody who takes what is handed over.
    fn is_attended(&self) -> bool;

    /// Whether anybody asks for [`Signal::ProcessGone`].
    fn watches_processes(&self) -> bool;
}

pub(super) struct Detecting {
    detector: Box<dyn Detector>,
    portion: Portion,
    stage: Stage,
    /// When the last portion was handed over.
    handed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The last events have been handed over; until then they may be looked at.
    Ending {
        until: u64,
    },
    /// Signatures have been told.
    Told {
        until: u64,
    },
    Over,
}

impl Detecting {
    pub(super) fn take(&mut self, bytes: &[u8], context: &Context, policies: &Arc<Policies>, takers: Takers) {
        if takers.is_empty() || !self.detector.is_attended() || matches!(self.stage, Stage::Told { .. } | Stage::Over) {
            return;
        }
        self.portion.events.push(bytes, context, policies, takers);
        if self.portion.events.bytes() >= BLOCK {
            self.hand_over(context.clock);
        }
    }

    pub(super) fn process_gone(&mut self, head: &Head) {
        if self.detector.watches_processes() {
            self.portion.signals.push(Signal::ProcessGone { pid: head.task.host_pid, start: head.task.start_time });
        }
    }

    pub(super) fn container_gone(&mut self, id: &str) {
        if self.detector.is_attended() {
            self.portion.signals.push(Signal::ContainerGone { id: id.into() });
        }
    }

    /// Hands over what has come, unless that was done a moment ago.
    pub(super) fn flush(&mut self, clock: Clock) {
        if self.handed.is_none_or(|then| then.elapsed() >= PAUSE) {
            self.hand_over(clock);
        }
    }

    fn hand_over(&mut self, clock: Clock) {
        if self.portion.events.is_empty() && self.portion.signals.is_empty() {
            return;
        }
        self.handed = Some(Instant::now());
        let mut portion = std::mem::take(&mut self.portion);
        portion.events.clock = clock;
        if let Err(back) = self.detector.take(portion) {
            let events = &back.events;
            let missed = (0..events.len()).filter_map(|i| Some(events.get(i)?.event.head.event));
            self.detector.missed(&mut { missed });
            // what is gone stays gone, so that is told when there is room
            self.portion.signals = back.signals;
            let surplus = self.portion.signals.len().saturating_sub(MOST_SIGNALS);
            self.portion.signals.drain(..surplus);
        }
    }
}

/// Signals that wait for room.
const MOST_SIGNALS: usize = 65_536;

impl Pipeline {
    /// Events that signatures select go to `detector`.
    pub fn set_detector(&mut self, detector: Box<dyn Detector>) {
        self.detecting = Some(Detecting { detector, portion: Portion::default(), stage: Stage::Open, handed: None });
    }

    /// Takes in what signatures have found; how much that was.
    pub fn take_findings(&mut self) -> usize {
        let all = self.detecting.as_mut().map(|detecting| detecting.detector.found()).unwrap_or_default();
        let count = all.len();
        all.into_iter().for_each(|found| self.found(found));
        count
    }

    /// Whether signatures have looked at all there is, or have had long enough for that. `now`: ns since boot.
    pub fn has_detected(&mut self, now: u64) -> bool {
        // findings are given before the events that led to them are looked at, so this order misses none
        let idle = self.detecting.as_ref().is_none_or(|detecting| detecting.detector.is_idle());
        let quiet = self.take_findings() == 0 && idle;
        let clock = self.clock;
        let Some(detecting) = self.detecting.as_mut().filter(|detecting| detecting.detector.is_attended()) else {
            return true;
        };
        match detecting.stage {
            Stage::Open => {
                detecting.hand_over(clock);
                detecting.stage = Stage::Ending { until: now + PATIENCE };
            }
            Stage::Ending { until } => {
                let nothing_waits = detecting.portion.events.is_empty() && detecting.portion.signals.is_empty();
                detecting.hand_over(clock);
                if quiet && nothing_waits || now > until {
                    detecting.portion.signals.push(Signal::Shutdown);
                    detecting.hand_over(clock);
                    detecting.stage = Stage::Told { until };
                }
            }
            Stage::Told { until } => {
                if quiet || now > until {
                    detecting.stage = Stage::Over;
                }
            }
            Stage::Over => {}
        }
        detecting.stage == Stage::Over
    }

    fn found(&mut self, found: Found) {
        let Found { mut record, policies, executable, container, lineage } = found;
        let filter = &policies.filter;
        // rules without a scope, and what signatures select of findings
        record.add_slots(filter.signatures.map_or(0, |slot| 1 << slot));
        let Some(event) = Event::read(record.as_bytes()) else { return };
        self.counters.findings += 1;
        let subject = Subject { container: container.as_deref(), open: false };
        let path = executable.as_ref().map(|e| &*e.path);
        let passed = filter.containers.passed(subject);
        let matched = filter.matching_with(&event, path, subject, passed);
        let takers = filter.taking(&event, path, subject, passed);
        let context = Context {
            clock: self.clock,
            executable: executable.as_ref(),
            container: container.as_ref(),
            lineage: lineage.as_ref(),
            matched,
            policy_names: &policies.names,
            host_mount_ns: self.host_mount_ns,
            sha256: None,
        };
        if let Some(detecting) = &mut self.detecting {
            if findings::depth(event.head) >= findings::MOST_DEEP && !takers.is_empty() {
                self.counters.findings_too_deep += 1;
            } else {
                detecting.take(record.as_bytes(), &context, &policies, takers);
            }
        }
        self.exits.take(record.as_bytes(), &event, &context, &policies, &mut self.counters);
    }
}
