//! Loading, attaching, and what is held while tracing.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use libbpf_rs::{Link, Map, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, OpenObject, ProgramMut};
use tracee_core::budget;
use tracee_core::catalogue::index;
use tracee_core::plan::Compiled;
use tracee_core::record::Owned;
use tracee_core::scope::{Scope, Verdict, TEXT_MAX};

use crate::buffers::Buffers;
use crate::error::{Doing, Error, Result};
use crate::mapping::page_size;
use crate::probe::Kernel;
use crate::ring::Ring;
use crate::scan::{self, Searches};
use crate::shared::{Config, ConfigBytes, Counters, CpuBytes, Fixed};
use crate::ways::{self, Allowed, Chosen};
use crate::{limits, messages};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracee.bpf.o"));
/// For kernels before 5.17: `bpf/include/older.h`
static OLDER_OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracee-older.bpf.o"));
/// Only in that object, and always loaded.
const FORGET: &str = "tracee_forget";

/// `SPARE_BUILDERS` of bpf/include/buffer.h
const SPARE_BUILDERS: usize = 8;
/// Programs that a kernel may refuse though it has their hooks, before we give up.
const MOST_REFUSED: usize = 32;

#[derive(Debug, Clone)]
pub struct Options {
    /// Pages of ring buffer for each CPU.
    pub ring_pages: u64,
    /// Of 100 events, how many to keep.
    pub sampling_percent: f64,
    /// Give the environment with each exec.
    pub exec_env: bool,
    /// Have the kernel count how often and how long our programs run.
    pub statistics: bool,
    /// The kinds of hooks that may be used.
    pub allowed: Allowed,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ring_pages: 1024,
            sampling_percent: 100.0,
            exec_env: false,
            statistics: false,
            allowed: Allowed::best(),
        }
    }
}

/// The programs, loaded and attached; dropped, they are gone.
pub struct Session {
    pub(crate) config: Config,
    pub(crate) counters: Counters,
    /// The control ring first, then those of the CPUs.
    pub(crate) rings: Vec<Ring>,
    pub(crate) policies: u64,
    wanted: Vec<u64>,
    /// Records that are told before all others.
    pub(crate) first: Vec<Owned>,
    /// Searches that the plan asks for, until they begin.
    pub(crate) searches: Option<Searches>,
    /// Something to say about the buffers, where not all that was asked could be had.
    pub notes: Vec<String>,
    /// What was said of programs that the kernel did not take, each time with the verifier's log.
    pub refusals: Vec<String>,
    /// How each event of the plan is taken, or why it is not.
    pub chosen: Chosen,
    _links: Vec<Link>,
    _object: Object,
    _statistics: Option<OwnedFd>,
}

impl Session {
    /// Loads and attaches what the plan needs. Nothing is traced until [`Session::begin`]. Events that cannot be had
    /// are left out, see [`Session::chosen`].
    ///
    /// # Errors
    /// The kernel refuses; the message says which step, and what libbpf said of it.
    pub fn new(plan: &Compiled, options: &Options) -> Result<Session> {
        limits::require_types()?;
        let kernel = Kernel::default();
        let (mut refused, mut refusals) = (BTreeMap::new(), Vec::new());
        loop {
            messages::begin();
            let chosen = ways::choose(plan, &kernel, &options.allowed, &refused);
            let error = match Session::load(plan, options, chosen) {
                Ok(session) => return Ok(Session { refusals, ..session }),
                Err(error) => error,
            };
            // a program that the kernel does not take is done without, where its events have other ways
            match messages::refused_program() {
                Some(program) if ways::is_optional(&program) && refused.len() < MOST_REFUSED => {
                    // of a program that serves many groups of calls, the one that it stumbled over
                    let program = messages::refused_group().unwrap_or(program);
                    let why = messages::first().unwrap_or_else(|| error.to_string());
                    refusals.push(messages::all());
                    refused.insert(program, why);
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

    fn load(plan: &Compiled, options: &Options, chosen: Chosen) -> Result<Session> {
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
        let object = open(&chosen, cpus, &buffers)?;
        // the kernel waits for a grace period when a ring is put in its place: meanwhile the programs are verified
        let (object, made) = std::thread::scope(|scope| {
            let made = scope.spawn(|| buffers.make_rings());
            let object = object.load().doing("load the BPF programs");
            (object, made.join())
        });
        let object = object?;
        let mut rings =
            made.map_err(|_| Error::new("make the rings", io::ErrorKind::Other, "the thread panicked"))??;
        let control = find(&object, "tracee_control")?;
        let handle = MapHandle::try_from(&control).doing("hold the control ring")?;
        rings.insert(0, Ring::new(handle, control.max_entries().into())?);

        let bss = find(&object, ".bss")?;
        let counters = find(&object, "tracee_cpus")?;
        check_size("struct config", size_of::<ConfigBytes>(), bss.value_size())?;
        check_size("struct cpu_counters", size_of::<CpuBytes>(), counters.value_size())?;
        let config = Config::new(bss.as_fd())?;
        let counters = Counters::new(counters.as_fd(), cpus)?;
        config.set_fixed(&Fixed {
            self_pid: std::process::id(),
            sampling: (options.sampling_percent / 100.0 * f64::from(u32::MAX)) as u32,
            wake_bytes: (sizes.bytes / 4) as u32,
            exec_env: options.exec_env,
            rings: sizes.rings,
        });
        if plan.wanted[usize::from(index::PRINT_MEM_DUMP)] != 0 && plan.dumps.is_empty() {
            notes.push("print_mem_dump shows nothing: filter data.symbol_name or data.address says what".into());
        }
        fill_scopes(&object, &plan.scope)?;
        config.set_scope(&plan.scope);
        config.set_lesser(chosen.lesser());

        let statistics = options.statistics.then(enable_statistics).transpose()?;
        Ok(Session {
            config,
            counters,
            rings,
            policies: plan.scope.policies,
            wanted: plan.wanted.clone(),
            first: scan::at_start(plan, &chosen),
            searches: Searches::new(&object, plan, &chosen)?,
            notes,
            refusals: Vec::new(),
            chosen,
            _links: attach(&object)?,
            _object: object,
            _statistics: statistics,
        })
    }

    /// From now on events are recorded.
    pub fn begin(&self) {
        self.config.set_wanted(self.wanted.iter().copied());
    }

    /// From now on nothing is; what is in the rings can still be read.
    pub fn end(&self) {
        self.config.set_wanted(self.wanted.iter().map(|_| 0));
    }
}

/// The object with only what the plan needs, its maps sized for this machine.
fn open(chosen: &Chosen, cpus: usize, buffers: &Buffers) -> Result<OpenObject> {
    let mut builder = ObjectBuilder::default();
    let builder = builder.name("tracee").doing("name the BPF object")?;
    let object = if limits::is_older() { OLDER_OBJECT } else { OBJECT };
    let mut object = builder.open_memory(object).doing("read the BPF object")?;
    for mut program in object.progs_mut() {
        let load = program.name().to_str().is_some_and(|name| name == FORGET || chosen.programs.contains(name));
        program.set_autoload(load);
    }
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name.ends_with(".rodata.groups") {
            let value = map.initial_value_mut().unwrap_or_default();
            let bits = [chosen.groups.after, chosen.groups.before].map(u64::to_ne_bytes).concat();
            check_size("groups", bits.len(), value.len() as u32)?;
            value.copy_from_slice(&bits);
            continue;
        }
        let entries = match Some(name.as_str()) {
            Some("tracee_rings") => {
                map.reuse_fd(buffers.map()).doing("hand over the map of rings")?;
                continue;
            }
            Some("tracee_cpus") => cpus as u32,
            Some("tracee_builders") => (cpus + SPARE_BUILDERS) as u32,
            _ => continue,
        };
        map.set_max_entries(entries).doing("size a BPF map")?;
    }
    Ok(object)
}

/// The map whose name ends so; libbpf puts the object's name before those of sections.
fn find<'a>(object: &'a Object, name: &str) -> Result<Map<'a>> {
    let found = object.maps().find(|map| map.name().to_string_lossy().ends_with(name));
    found.ok_or_else(|| Error::new(format!("find the map {name}"), io::ErrorKind::NotFound, "not in the object"))
}

/// Attaches every program that was loaded.
fn attach(object: &Object) -> Result<Vec<Link>> {
    let name = |program: &ProgramMut| program.name().to_string_lossy().into_owned();
    let mut links = Vec::new();
    // run by hand, see scan.rs
    let attached = |program: &ProgramMut| program.autoload() && name(program) != scan::PROGRAM;
    for program in object.progs_mut().filter(attached) {
        let link = program.attach();
        let name = name(&program);
        if link.is_err() {
            messages::attach_failed(&name);
        }
        links.push(link.doing(format!("attach {name}"))?);
    }
    Ok(links)
}

/// Puts the values that scopes name into the maps that the programs look them up in.
fn fill_scopes(object: &Object, scope: &Scope) -> Result<()> {
    let put = |map: &Map, key: &[u8], verdict: &Verdict| {
        let value = [verdict.yes.to_ne_bytes(), verdict.no.to_ne_bytes()].concat();
        map.update(key, &value, MapFlags::ANY).doing("fill in the scopes")
    };
    let numbers = find(object, "tracee_numbers")?;
    for ((key, value), verdict) in &scope.number_verdicts {
        let mut probe = [0; 16];
        probe[..4].copy_from_slice(&key.to_ne_bytes());
        probe[8..].copy_from_slice(&value.to_ne_bytes());
        put(&numbers, &probe, verdict)?;
    }
    let texts = find(object, "tracee_texts")?;
    for ((key, text), verdict) in &scope.exact {
        let mut probe = [0; 4 + TEXT_MAX];
        probe[..4].copy_from_slice(&key.to_ne_bytes());
        probe[4..4 + text.len()].copy_from_slice(text);
        put(&texts, &probe, verdict)?;
    }
    for (name, entries) in [("tracee_prefix", &scope.prefixes), ("tracee_suffix", &scope.suffixes)] {
        let trie = find(object, name)?;
        for ((key, text), verdict) in entries {
            let mut probe = [0; 8 + TEXT_MAX];
            let bits = (4 + text.len() as u32) * 8;
            probe[..4].copy_from_slice(&bits.to_ne_bytes());
            probe[4..8].copy_from_slice(&key.to_ne_bytes());
            probe[8..8 + text.len()].copy_from_slice(text);
            put(&trie, &probe, verdict)?;
        }
    }
    Ok(())
}

fn check_size(what: &str, ours: usize, theirs: u32) -> Result<()> {
    if ours == theirs as usize {
        return Ok(());
    }
    let detail = format!("{ours} bytes here, {theirs} in the BPF object");
    Err(Error::new(format!("compare the layout of {what}"), io::ErrorKind::InvalidData, detail))
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
