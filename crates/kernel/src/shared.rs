//! The memory that both sides share: `struct config` and `struct cpu_counters` of `bpf/include/record.h`.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

use tracee_core::losses::Loss;
use tracee_core::scope::{NumberScope, Scope, NUMBER_KEYS, TEXT_KEYS};

use crate::error::Result;
use crate::mapping::Mapping;

pub const MAX_EVENTS: usize = 1024;

#[repr(C)]
struct NumberScopeBytes {
    used: u64,
    positive: u64,
    ranged: u64,
    min: [u64; 64],
    max: [u64; 64],
}

#[repr(C)]
struct TextScopeBytes {
    used: u64,
    positive: u64,
    undecided: u64,
}

/// `struct config`
#[repr(C)]
pub struct ConfigBytes {
    policies: u64,
    generation: u64,
    scoped: u64,
    follow: u64,
    wanted: [u64; MAX_EVENTS],
    lesser: [u64; MAX_EVENTS / 64],
    self_pid: u32,
    sampling: u32,
    reader_state: u32,
    wake_bytes: u32,
    exec_env: u32,
    rings: u32,
    numbers: [NumberScopeBytes; NUMBER_KEYS.len()],
    texts: [TextScopeBytes; TEXT_KEYS.len()],
}

/// `enum reader_state`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Awake = 0,
    Nap = 1,
    Asleep = 2,
}

/// What is set once, before the programs are attached.
pub struct Fixed {
    pub self_pid: u32,
    pub sampling: u32,
    pub wake_bytes: u32,
    pub exec_env: bool,
    pub rings: u32,
}

pub struct Config {
    mapping: Mapping,
}

impl Config {
    /// `fd`: the map behind .bss.
    pub fn new(fd: BorrowedFd) -> Result<Config> {
        Ok(Config { mapping: Mapping::new("the configuration", fd, 0, size_of::<ConfigBytes>(), true)? })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: an aligned u64 inside the mapping; the kernel reads single words of it
        unsafe { AtomicU64::from_ptr(self.mapping.at(offset)) }
    }

    fn half(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as above
        unsafe { AtomicU32::from_ptr(self.mapping.at(offset)) }
    }

    pub fn set_fixed(&self, fixed: &Fixed) {
        self.half(offset_of!(ConfigBytes, self_pid)).store(fixed.self_pid, Ordering::Relaxed);
        self.half(offset_of!(ConfigBytes, sampling)).store(fixed.sampling, Ordering::Relaxed);
        self.half(offset_of!(ConfigBytes, wake_bytes)).store(fixed.wake_bytes, Ordering::Relaxed);
        self.half(offset_of!(ConfigBytes, exec_env)).store(fixed.exec_env.into(), Ordering::Relaxed);
        self.half(offset_of!(ConfigBytes, rings)).store(fixed.rings, Ordering::Relaxed);
    }

    /// The scopes, but for the values that stand in maps.
    pub fn set_scope(&self, scope: &Scope) {
        let put = |offset, value| self.word(offset).store(value, Ordering::Relaxed);
        for (i, number) in scope.numbers.iter().enumerate() {
            let base = offset_of!(ConfigBytes, numbers) + i * size_of::<NumberScopeBytes>();
            let NumberScope { used, positive, ranged, min, max } = number;
            put(base + offset_of!(NumberScopeBytes, used), *used);
            put(base + offset_of!(NumberScopeBytes, positive), *positive);
            put(base + offset_of!(NumberScopeBytes, ranged), *ranged);
            for policy in 0..64 {
                put(base + offset_of!(NumberScopeBytes, min) + 8 * policy, min[policy]);
                put(base + offset_of!(NumberScopeBytes, max) + 8 * policy, max[policy]);
            }
        }
        for (i, text) in scope.texts.iter().enumerate() {
            let base = offset_of!(ConfigBytes, texts) + i * size_of::<TextScopeBytes>();
            put(base + offset_of!(TextScopeBytes, used), text.used);
            put(base + offset_of!(TextScopeBytes, positive), text.positive);
            put(base + offset_of!(TextScopeBytes, undecided), text.undecided);
        }
        put(offset_of!(ConfigBytes, policies), scope.policies);
        put(offset_of!(ConfigBytes, scoped), scope.scoped);
        put(offset_of!(ConfigBytes, follow), scope.follow);
        self.word(offset_of!(ConfigBytes, generation)).fetch_add(1, Ordering::Release);
    }

    /// By event index: the policies that select it. All zero: nothing is traced.
    pub fn set_wanted(&self, wanted: impl Iterator<Item = u64>) {
        for (event, policies) in wanted.take(MAX_EVENTS).enumerate() {
            self.word(offset_of!(ConfigBytes, wanted) + 8 * event).store(policies, Ordering::Release);
        }
    }

    /// The events that are not taken where they happen.
    pub fn set_lesser(&self, events: impl Iterator<Item = u16>) {
        for event in events.map(usize::from).filter(|event| *event < MAX_EVENTS) {
            let word = self.word(offset_of!(ConfigBytes, lesser) + 8 * (event / 64));
            word.fetch_or(1 << (event % 64), Ordering::Relaxed);
        }
    }

    pub fn set_reader(&self, state: Reader) {
        self.half(offset_of!(ConfigBytes, reader_state)).store(state as u32, Ordering::SeqCst);
        // what is looked at next must be looked at after the kernel can see the state
        fence(Ordering::SeqCst);
    }
}

/// `struct loss`
#[repr(C)]
struct LossBytes {
    count: u64,
    reported: u64,
    first: u64,
    last: u64,
}

/// `struct cpu_counters`
#[repr(C)]
pub struct CpuBytes {
    sent: u64,
    lost: u64,
    control_lost: u64,
    losses: [LossBytes; MAX_EVENTS],
}

/// Sums over all CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub sent: u64,
    pub lost: u64,
    pub control_lost: u64,
}

pub struct Counters {
    mapping: Mapping,
    cpus: usize,
    /// Losses already reported, by CPU.
    seen: Vec<u64>,
}

impl Counters {
    pub fn new(fd: BorrowedFd, cpus: usize) -> Result<Counters> {
        let mapping = Mapping::new("the counters", fd, 0, cpus * size_of::<CpuBytes>(), true)?;
        Ok(Counters { mapping, cpus, seen: vec![0; cpus] })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: an aligned u64 inside the mapping, which the kernel reads and writes as single words
        unsafe { AtomicU64::from_ptr(self.mapping.at(offset)) }
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for cpu in 0..self.cpus {
            let base = cpu * size_of::<CpuBytes>();
            totals.sent += self.word(base + offset_of!(CpuBytes, sent)).load(Ordering::Relaxed);
            totals.lost += self.word(base + offset_of!(CpuBytes, lost)).load(Ordering::Relaxed);
            totals.control_lost += self.word(base + offset_of!(CpuBytes, control_lost)).load(Ordering::Relaxed);
        }
        totals
    }

    /// The losses since the last call.
    pub fn losses(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for cpu in 0..self.cpus {
            let base = cpu * size_of::<CpuBytes>();
            let lost = self.word(base + offset_of!(CpuBytes, lost)).load(Ordering::Acquire);
            if lost == self.seen[cpu] {
                continue;
            }
            for event in 0..MAX_EVENTS {
                let at = base + offset_of!(CpuBytes, losses) + event * size_of::<LossBytes>();
                let reported = self.word(at + offset_of!(LossBytes, reported));
                let count = self.word(at + offset_of!(LossBytes, count)).load(Ordering::Acquire);
                let new = count - reported.load(Ordering::Relaxed);
                if new == 0 {
                    continue;
                }
                let from = self.word(at + offset_of!(LossBytes, first)).load(Ordering::Relaxed);
                let to = self.word(at + offset_of!(LossBytes, last)).load(Ordering::Relaxed);
                // from here on the kernel begins a new span; a loss between the two loads makes the next one start early
                reported.store(count, Ordering::Release);
                losses.push(Loss { event: event as u16, cpu: cpu as u32, from, to, count: new });
            }
            self.seen[cpu] = lost;
        }
        losses
    }
}
