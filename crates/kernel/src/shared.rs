//! The memory that both sides share: `struct config` and `struct cpu_counters` of `bpf/include/record.h`.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

use tracee_core::containers::Subject;
use tracee_core::losses::Loss;
use tracee_core::plan::Compiled;
use tracee_core::scope::{NumberScope, MAX_POLICIES, NUMBER_KEYS, TEXT_KEYS};
use tracee_core::tables::BANKS;

use crate::error::Result;
use crate::mapping::Mapping;
use crate::names::NameTable;

pub const MAX_EVENTS: usize = 1024;

#[repr(C)]
struct NumberScopeBytes {
    used: u64,
    positive: u64,
    ranged: u64,
    min: [u64; 64],
    max: [u64; 64],
}

/// `struct text_scope`
#[repr(C)]
struct TextScopeBytes {
    used: u64,
    positive: u64,
    undecided: u64,
    exact: u64,
    prefix: u64,
    suffix: u64,
}

/// `struct plan`
#[repr(C)]
struct PlanBytes {
    slots: u64,
    generation: u64,
    scoped: u64,
    follow: u64,
    containers: u64,
    on_host: u64,
    riding: u64,
    wanted: [u64; MAX_EVENTS],
    since: [u64; MAX_POLICIES],
    /// `struct event_fields`
    fields: [u32; MAX_EVENTS],
    numbers: [NumberScopeBytes; NUMBER_KEYS.len()],
    texts: [TextScopeBytes; TEXT_KEYS.len()],
}

/// `struct config`
#[repr(C)]
pub struct ConfigBytes {
    bank: u32,
    self_pid: u32,
    sampling: u32,
    reader_state: u32,
    wake_bytes: u32,
    exec_env: u32,
    rings: u32,
    process_tree: u32,
    containers_changed: u64,
    names_table: u64,
    names_shift: u32,
    packet_bytes: u32,
    plans: [PlanBytes; BANKS as usize],
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
    pub process_tree: bool,
    /// Bytes of a packet that is wanted whole; 0: all.
    pub packet_bytes: u32,
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
        self.half(offset_of!(ConfigBytes, process_tree)).store(fixed.process_tree.into(), Ordering::Relaxed);
        self.half(offset_of!(ConfigBytes, packet_bytes)).store(fixed.packet_bytes, Ordering::Relaxed);
    }

    /// Where the kernel keeps the names of files that it has cached.
    pub fn set_names(&self, names: NameTable) {
        self.half(offset_of!(ConfigBytes, names_shift)).store(names.shift, Ordering::Relaxed);
        self.word(offset_of!(ConfigBytes, names_table)).store(names.address, Ordering::Release);
    }

    /// Makes the plan of a bank, but for the values that stand in maps; nothing is wanted by it yet.
    pub fn set_plan(&self, bank: u32, plan: &Compiled, generation: u64, since: &[u64; MAX_POLICIES]) {
        self.set_wanted(bank, std::iter::repeat_n(0, MAX_EVENTS));
        let plan_at = Config::plan_at(bank);
        let put = |offset, value| self.word(plan_at + offset).store(value, Ordering::Relaxed);
        for (i, number) in plan.scope.numbers.iter().enumerate() {
            let base = offset_of!(PlanBytes, numbers) + i * size_of::<NumberScopeBytes>();
            let NumberScope { used, positive, ranged, min, max } = number;
            put(base + offset_of!(NumberScopeBytes, used), *used);
            put(base + offset_of!(NumberScopeBytes, positive), *positive);
            put(base + offset_of!(NumberScopeBytes, ranged), *ranged);
            for slot in 0..MAX_POLICIES {
                put(base + offset_of!(NumberScopeBytes, min) + 8 * slot, min[slot]);
                put(base + offset_of!(NumberScopeBytes, max) + 8 * slot, max[slot]);
            }
        }
        for (i, text) in plan.scope.texts.iter().enumerate() {
            let base = offset_of!(PlanBytes, texts) + i * size_of::<TextScopeBytes>();
            put(base + offset_of!(TextScopeBytes, used), text.used);
            put(base + offset_of!(TextScopeBytes, positive), text.positive);
            put(base + offset_of!(TextScopeBytes, undecided), text.undecided);
            put(base + offset_of!(TextScopeBytes, exact), text.exact);
            put(base + offset_of!(TextScopeBytes, prefix), text.prefix);
            put(base + offset_of!(TextScopeBytes, suffix), text.suffix);
        }
        for (slot, generation) in since.iter().enumerate() {
            put(offset_of!(PlanBytes, since) + 8 * slot, *generation);
        }
        for event in 0..MAX_EVENTS {
            let fields = plan.fields.events.get(&(event as u16));
            let bytes = fields.map_or(0, |f| u32::from(f.first) | u32::from(f.early) << 16 | u32::from(f.late) << 24);
            self.half(plan_at + offset_of!(PlanBytes, fields) + 4 * event).store(bytes, Ordering::Relaxed);
        }
        put(offset_of!(PlanBytes, slots), plan.scope.slots);
        put(offset_of!(PlanBytes, scoped), plan.scope.scoped);
        put(offset_of!(PlanBytes, follow), plan.scope.follow);
        put(offset_of!(PlanBytes, containers), plan.scope.containers.used);
        put(offset_of!(PlanBytes, riding), plan.riding);
        put(offset_of!(PlanBytes, on_host), plan.scope.containers.passed(Subject::default()));
        self.word(plan_at + offset_of!(PlanBytes, generation)).store(generation, Ordering::Release);
    }

    fn plan_at(bank: u32) -> usize {
        offset_of!(ConfigBytes, plans) + (bank % BANKS) as usize * size_of::<PlanBytes>()
    }

    /// From now on the kernel side goes by the plan of this bank.
    pub fn set_bank(&self, bank: u32) {
        self.half(offset_of!(ConfigBytes, bank)).store(bank, Ordering::SeqCst);
    }

    /// By event index: the slots that select it. All zero: nothing is traced.
    pub fn set_wanted(&self, bank: u32, wanted: impl Iterator<Item = u64>) {
        for (event, slots) in wanted.take(MAX_EVENTS).enumerate() {
            let at = Config::plan_at(bank) + offset_of!(PlanBytes, wanted) + 8 * event;
            self.word(at).store(slots, Ordering::Release);
        }
    }

    /// From now on nothing is traced; what is in the rings can still be read.
    pub fn end(&self) {
        (0..BANKS).for_each(|bank| self.set_wanted(bank, std::iter::repeat_n(0, MAX_EVENTS)));
    }

    /// Call when the map of containers has been changed: what tasks keep that was made from it is made anew.
    pub fn containers_changed(&self) {
        self.word(offset_of!(ConfigBytes, containers_changed)).fetch_add(1, Ordering::SeqCst);
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
