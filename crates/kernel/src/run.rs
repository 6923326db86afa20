//! The reader: rings to pipeline, until told to stop.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracee_core::merge;
use tracee_core::pipeline::{Counters, Pipeline};
use tracee_core::time::{since_boot, Clock};

use crate::error::{Doing, Result};
use crate::session::Session;
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
const CLOCK: Duration = Duration::from_secs(1);

/// How far the reader is, for other threads.
#[derive(Debug, Default)]
pub struct Progress {
    pub stop: AtomicBool,
    /// Events lost, all together, and when the first was (ns since 1970).
    pub lost: AtomicU64,
    pub lost_since: AtomicU64,
    counters: Mutex<(Counters, Totals)>,
}

impl Progress {
    pub fn counters(&self) -> (Counters, Totals) {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads until `progress.stop`, then what is left, and flushes.
///
/// # Errors
/// The rings cannot be waited for, or a thread cannot be had.
pub fn run(session: &mut Session, pipeline: &mut Pipeline, progress: &Progress) -> Result<()> {
    let waiter = Waiter::new(session)?;
    // what was there before us; an exec meanwhile has its control record waiting
    pipeline.tasks.read_proc(Path::new("/proc")).doing("list the processes in /proc")?;
    for record in session.first.drain(..) {
        pipeline.record(record.as_bytes());
    }
    let searches = session.searches.take().map(|searches| searches.begin()).transpose()?;
    let (mut flushed, mut clocked, mut idle) = (Instant::now(), Instant::now(), 0);
    // control records go on after the end, on a busy host without a pause, so the end is a moment
    let mut end = None;
    loop {
        session.config.set_reader(Reader::Awake);
        if end.is_none() && progress.stop.load(Ordering::Acquire) {
            session.end();
            end = Some(since_boot() + SETTLE);
        }
        let settled = since_boot() - SETTLE;
        let until = end.map_or(settled, |end| end.min(settled));
        let taken = merge::by_time(&mut session.rings, until, &mut |record| pipeline.record(record));
        session.rings.iter_mut().for_each(|ring| ring.publish());
        for finding in searches.iter().flat_map(|searches| searches.findings()) {
            pipeline.record(finding.as_bytes());
        }
        report(session, pipeline, progress);

        let now = Instant::now();
        if now - clocked > CLOCK {
            clocked = now;
            pipeline.clock = Clock::now();
        }
        let (quiet, busy) = (taken == 0, taken > BUSY);
        if !busy || now - flushed > FLUSH {
            flushed = now;
            pipeline.flush();
        }
        if quiet && end.is_some_and(|end| settled > end) {
            return Ok(());
        }
        if end.is_some() || busy {
            continue;
        }
        idle = if quiet { idle + 1 } else { 0 };
        let asleep = idle > NAPS;
        session.config.set_reader(if asleep { Reader::Asleep } else { Reader::Nap });
        if !asleep || session.rings.iter().all(|ring| ring.is_idle()) {
            waiter.wait(if asleep { SLEEP } else { NAP })?;
        }
    }
}

/// Tells what was lost since the last time, in the record itself and to whoever asks.
fn report(session: &mut Session, pipeline: &mut Pipeline, progress: &Progress) {
    for loss in session.counters.losses() {
        pipeline.record(loss.record(session.policies, pipeline.clock).as_bytes());
        if progress.lost.fetch_add(loss.count, Ordering::AcqRel) == 0 {
            progress.lost_since.store(pipeline.clock.wall(loss.from), Ordering::Release);
        }
    }
    let counters = (pipeline.counters, session.counters.totals());
    *progress.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
}

/// Waits for any ring.
struct Waiter {
    epoll: OwnedFd,
}

impl Waiter {
    fn new(session: &Session) -> Result<Waiter> {
        // SAFETY: makes a descriptor
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let fd = if fd < 0 { Err(std::io::Error::last_os_error()) } else { Ok(fd) };
        // SAFETY: a descriptor that nobody else owns
        let epoll = unsafe { OwnedFd::from_raw_fd(fd.doing("make an epoll descriptor")?) };
        for ring in &session.rings {
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
