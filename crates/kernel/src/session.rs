//! Loading, attaching, and what is held while tracing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use libbpf_rs::{Link, MapCore, MapHandle, Object};
use tracee_core::budget;
use tracee_core::catalogue::index;
use tracee_core::pipeline::{Pipeline, Policies};
use tracee_core::plan::Compiled;
use tracee_core::record::Owned;
use tracee_core::slots::Slots;
use tracee_core::tasks::Depth;
use tracee_core::time::since_boot;
use tracee_core::watch::Watches;

use crate::buffers::Buffers;
use crate::containers::{Enrichment, Keeper};
use crate::cost::{self, Cost};
use crate::error::{Doing, Error, Result};
use crate::mapping::page_size;
use crate::object::{self, check_size, find, Source};
use crate::plans::Plans;
use crate::probe::Kernel;
use crate::ring::Ring;
use crate::scan::peek::Peek;
use crate::scan::{self, Aims, Searches};
use crate::shared::{Config, ConfigBytes, Counters, CpuBytes, Fixed};
use crate::ways::{self, Allowed, Choice, Chosen, Part};
use crate::{limits, messages, names};

/// A program that ran by a plan when it was replaced has ended after so many ns.
const GRACE: u64 = 50_000_000;
/// So long a reader that is busy is waited for when the plan is replaced.
const PATIENCE: Duration = Duration::from_secs(10);
/// Programs that a kernel may refuse though it has their hooks, before we give up.
const MOST_REFUSED: usize = 32;
static NO_PROGRAMS: BTreeSet<&str> = BTreeSet::new();
/// That load programs at the same time.
const MOST_THREADS: usize = 4;

#[derive(Debug, Clone)]
pub struct Options {
    /// Pages of ring buffer for each CPU.
    pub ring_pages: u64,
    /// Of 100 events, how many to keep.
    pub sampling_percent: f64,
    /// Give the environment with each exec.
    pub exec_env: bool,
    /// Know the working directories and arguments of processes, too.
    pub process_tree: bool,
    /// Have the kernel count how often and how long our programs run.
    pub statistics: bool,
    /// Of packets that are wanted whole so many bytes; 0: all.
    pub packet_bytes: u32,
    /// The kinds of hooks that may be used.
    pub allowed: Allowed,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ring_pages: 1024,
            sampling_percent: 100.0,
            exec_env: false,
            process_tree: true,
            statistics: false,
            packet_bytes: 0,
            allowed: Allowed::best(),
        }
    }
}

/// The programs, loaded and attached; dropped, they are gone.
pub struct Session {
    config: Arc<Config>,
    plans: Plans,
    needed: Vec<u64>,
    slots: Slots,
    options: Options,
    /// Programs, or hooks of one, that the kernel did not take, and why.
    refused: BTreeMap<String, String>,
    aims: Aims,
    changes: Sender<Change>,
    /// When the plan in use came to be so, in ns since boot.
    changed: u64,
    /// Something to say about the buffers, where not all that was asked could be had.
    pub notes: Vec<String>,
    /// What was said of programs that the kernel did not take, each time with the verifier's log.
    pub refusals: Vec<String>,
    /// How each event of the plan is taken, or why it is not.
    pub chosen: Chosen,
    /// What is loaded. The first has the maps, which the others share.
    loaded: Vec<Loaded>,
    _statistics: Option<OwnedFd>,
}

/// What the programs send, for a thread that reads it: see [`crate::run`].
pub struct Feed {
    pub(crate) config: Arc<Config>,
    pub(crate) counters: Counters,
    /// The control ring first, then those of the CPUs.
    pub(crate) rings: Vec<Ring>,
    /// How much is to be known of processes.
    pub(crate) depth: Depth,
    /// What user space finds out itself.
    pub(crate) told: ToldBySelf,
    pub(crate) changes: Receiver<Change>,
    pub(crate) containers: Keeper,
}

impl Feed {
    /// Finds the containers that run; call before [`Session::begin`]. `states`: folders in which containerds keep their
    /// state, beside the usual ones. `enrichment`: who asks runtimes about them. A line for who debugs, where they cannot be found.
    pub fn find_containers(
        &mut self,
        pipeline: &mut Pipeline,
        states: &[PathBuf],
        enrichment: Option<Enrichment>,
    ) -> Option<String> {
        self.containers.begin(pipeline, states, enrichment)
    }
}

/// Events that user space tells.
#[derive(Default)]
pub(crate) struct ToldBySelf {
    /// Records that are told at once.
    pub first: Vec<Owned>,
    /// `None`: those that run go on.
    pub searches: Option<Option<Searches>>,
    pub watches: Watches,
    /// Whether `shared_object_loaded` is taken by a lesser way.
    pub by_lesser_way: bool,
    /// The containers that are there.
    pub existing: bool,
}

/// Another plan, for the reader.
pub(crate) struct Change {
    pub bank: u32,
    pub policies: Policies,
    pub told: ToldBySelf,
    /// Records of the plan before the last are older than this, in ns since boot; they must have been read.
    pub after: u64,
    /// Told when records of the new plan may come.
    pub ready: Sender<()>,
}

/// What is loaded together, and what of it is attached.
struct Loaded {
    /// Each with some of the programs; the maps are the same.
    objects: Vec<Object>,
    links: Vec<(String, Link)>,
    part: Part,
}

impl Session {
    /// What each program has taken so far, where [`Options::statistics`] are on.
    pub fn costs(&self) -> Vec<Cost> {
        self.loaded.iter().flat_map(|loaded| &loaded.objects).flat_map(cost::of).collect()
    }

    /// Loads and attaches what the plan needs. Nothing is traced until [`Session::begin`]. Events that cannot be had
    /// are left out, see [`Session::chosen`].
    ///
    /// # Errors
    /// The kernel refuses; the message says which step, and what libbpf said of it.
    pub fn new(plan: Compiled, options: &Options) -> Result<(Session, Feed, Policies)> {
        limits::require_types()?;
        let mut trial = Trial::new(options, BTreeMap::new(), Chosen::default())?;
        let threads = std::thread::available_parallelism().map_or(1, |cpus| cpus.get().min(MOST_THREADS));
        let load = |source: &Source, chosen: &Chosen, threads| First::load(options, source, chosen, threads);
        let (chosen, first) = trial.until_taken(&plan, threads, load)?;
        let First { loaded, rings, config, counters, notes } = first;
        let mut plans = Plans::new(loaded.maps())?;
        plans.fill(&config, plans.bank, &plan)?;
        loaded.objects.iter().try_for_each(object::look_around)?;
        let statistics = options.statistics.then(enable_statistics).transpose()?;
        let (changes, receiver) = mpsc::channel();
        let mut session = Session {
            config: config.clone(),
            plans,
            needed: plan.needed,
            slots: plan.slots,
            options: options.clone(),
            refused: trial.refused,
            aims: Aims::default(),
            changes,
            changed: 0,
            notes,
            refusals: trial.refusals,
            chosen: Chosen::default(),
            loaded: vec![loaded],
            _statistics: statistics,
        };
        let aims = Aims::of(&chosen, plan.dumps);
        let told = session.told_by_self(&chosen, &aims, plan.watches)?;
        (session.chosen, session.aims) = (chosen, aims);
        let containers = Keeper::new(session.loaded[0].maps(), config.clone())?;
        let depth = if options.process_tree { Depth::Details } else { Depth::Processes };
        let feed = Feed { config, counters, rings, depth, told, changes: receiver, containers };
        Ok((session, feed, Policies { filter: plan.filter, names: Arc::new(plan.names) }))
    }

    /// From now on events are recorded.
    pub fn begin(&self) {
        self.config.set_wanted(self.plans.bank, self.needed.iter().copied());
    }

    /// The slots of the plan in use: what replaces it is to be compiled after them.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Puts another plan in the place of the one in use, while the reader runs. Programs that both need stay attached
    /// all the time, so that no event of a policy that stays is lost.
    ///
    /// # Errors
    /// The kernel refuses, or the reader has ended. The plan in use stays as it was.
    pub fn replace(&mut self, plan: Compiled) -> Result<()> {
        let mut trial = Trial::new(&self.options, self.refused.clone(), self.chosen.clone())?;
        let (chosen, more) = trial.until_taken(&plan, 1, |source, chosen, _| self.load_more(source, chosen))?;
        let added = more.is_some();
        self.loaded.extend(more);
        // programs that went by the plan before the last have long ended when its place is used again
        let bank = 1 - self.plans.bank;
        std::thread::sleep(Duration::from_nanos((self.changed + GRACE).saturating_sub(since_boot())));
        self.plans.fill(&self.config, bank, &plan)?;
        if let Some(newest) = self.loaded.last().filter(|_| added) {
            newest.objects.iter().try_for_each(object::look_around)?;
        }
        let aims = Aims::of(&chosen, plan.dumps);
        let told = self.told_by_self(&chosen, &aims, plan.watches)?;
        let policies = Policies { filter: plan.filter, names: Arc::new(plan.names) };
        let (ready, is_ready) = mpsc::channel();
        let change = Change { bank, policies, told, after: self.changed + GRACE, ready };
        let gone = || Error::new("replace the plan", io::ErrorKind::BrokenPipe, "the reader has ended");
        self.changes.send(change).map_err(|_| gone())?;
        is_ready.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Disconnected => gone(),
            RecvTimeoutError::Timeout => {
                Error::new("replace the plan", io::ErrorKind::TimedOut, "the reader is held up by an output")
            }
        })?;
        self.config.set_wanted(bank, plan.needed.iter().copied());
        self.config.set_bank(bank);
        self.changed = since_boot();
        self.plans.bank = bank;
        self.needed = plan.needed;
        self.slots = plan.slots;
        self.refused = trial.refused;
        self.refusals = trial.refusals;
        self.retire(&chosen);
        (self.chosen, self.aims) = (chosen, aims);
        Ok(())
    }

    /// What a new plan needs beyond what is loaded already, loaded and attached; it sends nothing yet. Each object tells
    /// events of its own, so that none is told twice.
    fn load_more(&self, source: &Source, chosen: &Chosen) -> Result<Option<Loaded>> {
        let more = chosen.part.without(self.loaded.iter().map(|loaded| &loaded.part));
        if more.is_empty() {
            return Ok(None);
        }
        let mut object = source.open(&more)?;
        object::share_maps(&mut object, self.loaded[0].maps())?;
        let object = object.load().doing("load the BPF programs")?;
        Loaded::attached(vec![object], more, &self.config).map(Some)
    }

    /// Detaches what the plan in use does not need any more.
    fn retire(&mut self, chosen: &Chosen) {
        for loaded in &mut self.loaded {
            loaded.part.retain(&chosen.part);
            let programs = loaded.part.programs();
            loaded.links.retain(|(name, _)| programs.contains(&**name));
        }
        // the first has the maps
        let mut first = true;
        self.loaded.retain(|loaded| std::mem::take(&mut first) || !loaded.part.is_empty());
    }

    fn told_by_self(&self, chosen: &Chosen, aims: &Aims, watches: Watches) -> Result<ToldBySelf> {
        let first = scan::at_start(chosen, &self.chosen);
        let mut searches = None;
        if *aims != self.aims {
            let object = self.loaded.iter().find_map(|loaded| loaded.with(scan::PROGRAM));
            searches = Some(object.map(|object| Searches::new(object, aims.clone())).transpose()?);
        }
        let by_lesser_way = chosen.part.lesser().any(|event| event == index::SHARED_OBJECT_LOADED);
        let tells = |chosen: &Chosen| chosen.ways.contains_key(&index::EXISTING_CONTAINER);
        let existing = tells(chosen) && !tells(&self.chosen);
        Ok(ToldBySelf { first, searches, watches, by_lesser_way, existing })
    }
}

impl Loaded {
    fn attached(objects: Vec<Object>, part: Part, config: &Config) -> Result<Loaded> {
        let mut loaded = Loaded { objects, links: Vec::new(), part };
        // where it is not found, programs that look names up go through the folders
        let peek = loaded.with(scan::PROGRAM).map(Peek::new).transpose()?;
        if let Some(table) = peek.as_ref().and_then(names::find) {
            config.set_names(table);
        }
        drop(peek);
        for object in &loaded.objects {
            loaded.links.extend(object::attach(object)?);
        }
        Ok(loaded)
    }

    /// An object that has the maps.
    fn maps(&self) -> &Object {
        &self.objects[0]
    }

    /// The object that has a program, where one has.
    fn with(&self, program: &str) -> Option<&Object> {
        let has = |object: &&Object| object.progs().any(|own| own.autoload() && own.name() == program);
        self.objects.iter().find(has)
    }
}

/// Ways are chosen, and tried, until the kernel takes all programs.
struct Trial {
    allowed: Allowed,
    kernel: Kernel,
    source: Source,
    refused: BTreeMap<String, String>,
    refusals: Vec<String>,
    in_use: Chosen,
}

impl Trial {
    fn new(options: &Options, refused: BTreeMap<String, String>, in_use: Chosen) -> Result<Trial> {
        let kernel = Kernel::default();
        let source = Source::new(&kernel)?;
        Ok(Trial { allowed: options.allowed.clone(), kernel, source, refused, refusals: Vec::new(), in_use })
    }

    /// `threads`: how many may load at the same time.
    fn until_taken<T>(
        &mut self,
        plan: &Compiled,
        mut threads: usize,
        load: impl Fn(&Source, &Chosen, usize) -> Result<T>,
    ) -> Result<(Chosen, T)> {
        loop {
            messages::begin();
            let chosen = Choice { kernel: &self.kernel, allowed: &self.allowed, refused: &self.refused }
                .make(plan, &self.in_use);
            let error = match load(&self.source, &chosen, threads) {
                Ok(loaded) => return Ok((chosen, loaded)),
                Err(error) => error,
            };
            // what the verifier says to several at the same time cannot be told apart
            if std::mem::replace(&mut threads, 1) > 1 {
                continue;
            }
            // a program that the kernel does not take is done without, where its events have other ways
            match messages::refused_program() {
                Some(program) if ways::is_optional(&program) && self.refused.len() < MOST_REFUSED => {
                    // of a program that serves many groups of calls, the one that it stumbled over
                    let program = messages::refused_group().unwrap_or(program);
                    let why = messages::first().unwrap_or_else(|| error.to_string());
                    self.refusals.push(messages::all());
                    self.refused.insert(program, why);
                }
                _ => {
                    if !error.is_permission() {
                        limits::require_rings()?;
                    }
                    return Err(match messages::first() {
                        Some(first) if !error.is_permission() => {
                            Error::new(error.to_string(), io::ErrorKind::Other, first)
                        }
                        _ => error,
                    });
                }
            }
        }
    }
}

/// The first object, and the memory that it shares with us.
struct First {
    loaded: Loaded,
    rings: Vec<Ring>,
    config: Arc<Config>,
    counters: Counters,
    notes: Vec<String>,
}

impl First {
    fn load(options: &Options, source: &Source, chosen: &Chosen, threads: usize) -> Result<First> {
        let cpus = libbpf_rs::num_possible_cpus().doing("count the CPUs")?;
        let asked = options.ring_pages.saturating_mul(page_size() as u64);
        let sizes = budget::rings(cpus as u32, asked, limits::memory_limit());
        let mut notes = Vec::new();
        if sizes.reduced {
            notes.push(format!(
                "buffers: {} rings of {} KiB for {cpus} CPUs, less than asked: the memory budget allows no more",
                sizes.rings,
                sizes.bytes >> 10
            ));
        }
        let buffers = Buffers::new(&sizes)?;
        let part = chosen.part.clone();
        // the kernel waits for a grace period when a ring is put in its place: meanwhile the programs are verified
        let (objects, made) = std::thread::scope(|scope| {
            let made = scope.spawn(|| buffers.make_rings());
            (First::load_programs(source, &part, threads, cpus, &buffers), joined(made, "make the rings"))
        });
        let objects = objects?;
        let mut rings = made?;
        let maps = &objects[0];
        let control = find(maps, "tracee_control")?;
        let handle = MapHandle::try_from(&control).doing("hold the control ring")?;
        rings.insert(0, Ring::new(handle, control.max_entries().into())?);

        let bss = find(maps, ".bss")?;
        let counters = find(maps, "tracee_cpus")?;
        check_size("struct config", size_of::<ConfigBytes>(), bss.value_size())?;
        check_size("struct cpu_counters", size_of::<CpuBytes>(), counters.value_size())?;
        let config = Arc::new(Config::new(bss.as_fd())?);
        let counters = Counters::new(counters.as_fd(), cpus)?;
        config.set_fixed(&Fixed {
            self_pid: std::process::id(),
            sampling: (options.sampling_percent / 100.0 * f64::from(u32::MAX)) as u32,
            wake_bytes: (sizes.bytes / 4) as u32,
            exec_env: options.exec_env,
            process_tree: options.process_tree,
            rings: sizes.rings,
            packet_bytes: options.packet_bytes,
        });
        let loaded = Loaded::attached(objects, part, &config)?;
        Ok(First { loaded, rings, config, counters, notes })
    }

    /// In as many objects as it takes to have the verifier at work in several threads; all have the maps of the first.
    fn load_programs(
        source: &Source,
        part: &Part,
        threads: usize,
        cpus: usize,
        buffers: &Buffers,
    ) -> Result<Vec<Object>> {
        let shares = object::shares(&part.programs(), threads);
        let alone = shares.len() == 1;
        // the maps have to be there before any program is loaded
        let mut maps = source.open_some(part, if alone { &shares[0] } else { &NO_PROGRAMS })?;
        object::size_maps(&mut maps, cpus, buffers)?;
        let maps = maps.load().doing("load the BPF programs")?;
        if alone {
            return Ok(vec![maps]);
        }
        let load = |programs: &BTreeSet<&str>| {
            let mut object = source.open_some(part, programs)?;
            object::share_maps(&mut object, &maps)?;
            object.load().doing("load the BPF programs")
        };
        std::thread::scope(|scope| {
            let loading: Vec<_> = shares.iter().map(|share| scope.spawn(|| load(share))).collect();
            let done = loading.into_iter().map(|thread| joined(thread, "load the BPF programs"));
            // all of them have ended, whatever one came to
            done.collect::<Vec<_>>().into_iter().collect()
        })
    }
}

/// What a thread came to.
fn joined<T>(thread: ScopedJoinHandle<Result<T>>, what: &str) -> Result<T> {
    thread.join().map_err(|_| Error::new(what, io::ErrorKind::Other, "the thread panicked"))?
}

/// The kernel counts run times as long as the descriptor is open.
fn enable_statistics() -> Result<OwnedFd> {
    // SAFETY: a system call that takes a number and gives a descriptor
    let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(-fd)).doing("switch the kernel's BPF statistics on");
    }
    // SAFETY: a descriptor that nobody else owns
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
