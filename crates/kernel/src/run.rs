//! The reader: rings to pipeline, until told to stop.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracee_core::merge;
use tracee_core::network::capture::Kept;
use tracee_core::pipeline::{Counters, Pipeline, Tally};
use tracee_core::tasks::Depth;
use tracee_core::time::{since_boot, thread_cpu, Clock};

use crate::error::{Doing, Result};
use crate::heal::{self, Healer};
use crate::objects::{Objects, Told};
use crate::scan::{Running, Searches};
use crate::session::{Change, Feed, ToldBySelf};
use crate::shared::{Reader, Totals};

/// A record is written some time after it took its timestamp; younger ones wait, so that none overtakes.
const SETTLE: u64 = 100_000;
/// While events come, the rings are looked at this often, or when one fills.
const NAP: Duration = Duration::from_millis(10);
/// After this many idle naps any event wakes us ...
const NAPS: u32 = 20;
/// ... and otherwise only losses are looked for.
const SLEEP: Duration = Duration::from_millis(100);
/// More records than this at once: no nap, and whole blocks are written.
const BUSY: usize = 1000;
/// But a person sees an event at the latest after this.
const FLUSH: Duration = Duration::from_millis(50);
/// At the end signatures are waited for in steps of this.
const DETECTING: Duration = Duration::from_millis(1);
const CLOCK: Duration = Duration::from_secs(1);
/// Remarks that wait for somebody to ask for them.
const MOST_REMARKS: usize = 256;

/// How far the reader is, for other threads.
#[derive(Debug, Default)]
pub struct Progress {
    pub stop: AtomicBool,
    /// Events lost, all together, and when the first was (ns since 1970).
    pub lost: AtomicU64,
    pub lost_since: AtomicU64,
    counters: Mutex<(Counters, Totals)>,
    tally: Mutex<Tally>,
    lost_events: Mutex<BTreeMap<u16, u64>>,
    /// CPU time of the reader, in ns.
    cpu: AtomicU64,
    remarks: Mutex<Vec<String>>,
    kept_packets: Mutex<(Kept, Vec<String>)>,
}

impl Progress {
    pub fn counters(&self) -> (Counters, Totals) {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What outputs were given so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Events lost, by their index in the catalogue.
    pub fn lost_events(&self) -> BTreeMap<u16, u64> {
        self.lost_events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// CPU time of the reader so far, in ns.
    pub fn cpu(&self) -> u64 {
        self.cpu.load(Ordering::Relaxed)
    }

    /// What was passed over since the last call, for who debugs: a line each.
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was kept of packets.
    pub fn kept_packets(&self) -> Kept {
        self.kept_packets.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What went wrong with files of packets since the last call.
    pub fn capture_problems(&self) -> Vec<String> {
        std::mem::take(&mut self.kept_packets.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    pub fn remark(&self, text: String) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if remarks.len() < MOST_REMARKS {
            remarks.push(text);
        }
    }
}

/// Takes in the programs that run, before events are recorded: so each that was there before is known, whatever becomes of
/// it. [`run`] takes in the rest.
///
/// # Errors
/// /proc cannot be listed.
pub fn prepare(pipeline: &mut Pipeline) -> Result<()> {
    heal::survey(&mut pipeline.tasks, Depth::Programs).doing("list the processes in /proc")
}

/// Reads until `progress.stop`, then what is left, and flushes.
///
/// # Errors
/// The rings cannot be waited for, or a thread cannot be had.
pub fn run(feed: &mut Feed, pipeline: &mut Pipeline, progress: &Progress) -> Result<()> {
    let waiter = Waiter::new(feed)?;
    pipeline.settle(since_boot());
    // what was there before us; an exec meanwhile has its control record waiting
    if let Err(error) = heal::survey(&mut pipeline.tasks, feed.depth) {
        progress.remark(format!("processes that were there before are not known: /proc: {error}"));
    }
    let mut healer = Healer::new(feed.depth);
    let mut finders = Finders::default();
    finders.change(std::mem::take(&mut feed.told), pipeline, progress, 0)?;
    let mut change: Option<Change> = None;
    let (mut flushed, mut clocked, mut idle) = (Instant::now(), Instant::now(), 0);
    // control records go on after the end, on a busy host without a pause, so the end is a moment
    let mut end = None;
    loop {
        feed.config.set_reader(Reader::Awake);
        if end.is_none() && progress.stop.load(Ordering::Acquire) {
            feed.config.end();
            end = Some(since_boot() + SETTLE);
        }
        let settled = since_boot() - SETTLE;
        let until = end.map_or(settled, |end| end.min(settled));
        let taken = merge::by_time(&mut feed.rings, until, &mut |record| {
            pipeline.record(record);
            if let Some(objects) = &mut finders.objects {
                objects.take(record, &pipeline.tasks);
            }
        });
        feed.rings.iter_mut().for_each(|ring| ring.publish());
        for finding in finders.searches.iter().flat_map(|searches| searches.findings()) {
            pipeline.tell(finding);
        }
        feed.containers.turn(pipeline, since_boot());
        if let Some(text) = feed.containers.refused.take() {
            progress.remark(text);
        }
        pipeline.take_findings();
        let (quiet, busy) = (taken == 0, taken > BUSY);
        let read = quiet && !pipeline.is_waiting() && end.is_some_and(|end| settled > end);
        let over = read && pipeline.has_detected(since_boot());
        if let Some(objects) = &mut finders.objects {
            tell_objects(objects, pipeline, progress, until, over);
        }
        let totals = report(feed, finders.objects.as_mut(), pipeline, progress);
        match healer.look(totals.control_lost, until, &mut pipeline.tasks) {
            Ok(true) => progress.remark("the tree of processes has been read anew from /proc".into()),
            Ok(false) => {}
            Err(error) => progress.remark(format!("the tree of processes has gaps: /proc: {error}")),
        }
        change = change.or_else(|| feed.changes.try_recv().ok());
        if let Some(Change { bank, policies, told, ready, .. }) = change.take_if(|change| until > change.after) {
            pipeline.prepare(&policies, bank as usize);
            feed.containers.tell(pipeline);
            // who asked for it may have given up; else no record is read before all is done here
            if ready.send(()).is_ok() {
                pipeline.replace(policies, bank as usize);
                finders.change(told, pipeline, progress, until)?;
            }
        }

        let now = Instant::now();
        if now - clocked > CLOCK {
            clocked = now;
            pipeline.clock = Clock::now();
        }
        if over || !busy || now - flushed > FLUSH {
            flushed = now;
            pipeline.flush();
        }
        if over {
            return Ok(());
        }
        if read {
            // signatures are still looking
            std::thread::sleep(DETECTING);
            continue;
        }
        if end.is_some() && !pipeline.is_waiting() || busy {
            continue;
        }
        idle = if quiet { idle + 1 } else { 0 };
        let asleep = idle > NAPS && !pipeline.is_waiting();
        feed.config.set_reader(if asleep { Reader::Asleep } else { Reader::Nap });
        if !asleep || feed.rings.iter().all(|ring| ring.is_idle()) {
            waiter.wait(if asleep { SLEEP } else { NAP })?;
        }
    }
}

/// Threads that find out what user space tells itself.
#[derive(Default)]
struct Finders {
    searches: Option<Running>,
    objects: Option<Objects>,
}

impl Finders {
    /// Goes by another plan; all records up to `until` have been read.
    fn change(&mut self, told: ToldBySelf, pipeline: &mut Pipeline, progress: &Progress, until: u64) -> Result<()> {
        for record in told.first {
            pipeline.tell(record);
        }
        if told.existing {
            pipeline.tell_existing();
        }
        if let Some(searches) = told.searches {
            self.searches = searches.map(Searches::begin).transpose()?;
        }
        if let Some(mut objects) = self.objects.take() {
            tell_objects(&mut objects, pipeline, progress, until, true);
        }
        self.objects = Objects::begin(told.watches, told.by_lesser_way)?;
        Ok(())
    }
}

/// Tells what came of the objects whose records have been read, which is all up to `until`; `over`: there will be no more.
fn tell_objects(objects: &mut Objects, pipeline: &mut Pipeline, progress: &Progress, until: u64, over: bool) {
    let mut tell = |told| match told {
        Told::Event(record) => pipeline.record(record.as_bytes()),
        Told::Remark(text) => progress.remark(text),
    };
    objects.passed(until);
    objects.told().for_each(&mut tell);
    if over {
        objects.finish(until, tell);
    }
}

/// Tells what was lost since the last time, in the record itself and to whoever asks.
fn report(feed: &mut Feed, objects: Option<&mut Objects>, pipeline: &mut Pipeline, progress: &Progress) -> Totals {
    let unread = objects.map(Objects::losses).unwrap_or_default();
    for loss in feed.counters.losses().into_iter().chain(unread) {
        pipeline.tell(loss.record(pipeline.clock));
        *progress.lost_events.lock().unwrap_or_else(PoisonError::into_inner).entry(loss.event).or_default() +=
            loss.count;
        if progress.lost.fetch_add(loss.count, Ordering::AcqRel) == 0 {
            progress.lost_since.store(pipeline.clock.wall(loss.from), Ordering::Release);
        }
    }
    let (kept, problem) = pipeline.kept_packets();
    let mut known = progress.kept_packets.lock().unwrap_or_else(PoisonError::into_inner);
    known.0 = kept;
    known.1.extend(problem);
    known.1.truncate(MOST_REMARKS);
    drop(known);
    pipeline.tally(&mut progress.tally.lock().unwrap_or_else(PoisonError::into_inner));
    progress.cpu.store(thread_cpu(), Ordering::Relaxed);
    let totals = feed.counters.totals();
    *progress.counters.lock().unwrap_or_else(PoisonError::into_inner) = (pipeline.counters, totals);
    totals
}

/// Waits for any ring.
struct Waiter {
    epoll: OwnedFd,
}

impl Waiter {
    fn new(feed: &Feed) -> Result<Waiter> {
        // SAFETY: makes a descriptor
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let fd = if fd < 0 { Err(std::io::Error::last_os_error()) } else { Ok(fd) };
        // SAFETY: a descriptor that nobody else owns
        let epoll = unsafe { OwnedFd::from_raw_fd(fd.doing("make an epoll descriptor")?) };
        for ring in &feed.rings {
            let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
            // SAFETY: two open descriptors and a valid pointer
            let failed =
                unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, ring.fd().as_raw_fd(), &mut event) };
            if failed != 0 {
                return Err(std::io::Error::last_os_error()).doing("wait for a ring");
            }
        }
        Ok(Waiter { epoll })
    }

    fn wait(&self, most: Duration) -> Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 8];
        let (room, timeout) = (events.len() as i32, most.as_millis() as i32);
        // SAFETY: room for as many events as the call may write
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), room, timeout) };
        let error = std::io::Error::last_os_error();
        if count < 0 && error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error).doing("wait for the rings");
        }
        Ok(())
    }
}
