//! Searches for what hides in the kernel. They are made by a thread of their own, which never delays the reader: when
//! tracing begins, whenever the modules have changed, and now and then. A finding is told when it is new.

mod ftrace;
mod modules;
mod namespaces;
pub mod peek;
mod symbols;
mod tables;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use libbpf_rs::Object;
use tracee_core::catalogue::{index, Way, EVENTS};
use tracee_core::dump::{Dump, Place};
use tracee_core::record::{chunk, Head, Owned};
use tracee_core::time::since_boot;

use crate::error::{Doing, Result};
use crate::securityfs;
use crate::ways::Chosen;
use modules::{Module, Modules, Roots};
use peek::Peek;
use symbols::{Symbols, SYSTEM};
use tables::Hooked;

/// The program that the searches read the kernel's memory by.
pub const PROGRAM: &str = "tracee_peek";
/// No search: the reader tells of containers as it meets them.
pub const CONTAINERS: &str = "containers";

/// Modules are counted this often ...
const QUICK: Duration = Duration::from_secs(5);
/// ... and everything is searched at least this often, and when they have changed.
const FULL: Duration = Duration::from_secs(300);
/// What is seen is looked at again after this: something may have been loading or going.
const SETTLE: Duration = Duration::from_millis(500);

/// One argument of a finding.
enum Field {
    Null,
    Text(String),
    Number(u64),
    Bytes(Vec<u8>),
}

impl Field {
    fn text(text: Option<&str>) -> Field {
        text.map_or(Field::Null, |text| Field::Text(text.to_owned()))
    }
}

/// What a finding tells, in the order of its event's arguments.
type Finding = Vec<Field>;

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aims {
    /// Indices of the events that are wanted.
    events: BTreeSet<u16>,
    dumps: Vec<Dump>,
    /// Functions that our own hooks are on.
    ours: BTreeSet<&'static str>,
}

impl Aims {
    pub fn of(chosen: &Chosen, dumps: Vec<Dump>) -> Aims {
        let reads = |way: &Way| way.hooks.iter().any(|hook| hook.kind == "scan" && reads_memory(hook.target));
        let events: BTreeSet<u16> =
            chosen.ways.iter().filter(|(_, (way, _))| reads(way)).map(|(event, _)| *event).collect();
        if events.is_empty() {
            return Aims::default();
        }
        let hooks = chosen.ways.values().flat_map(|(way, _)| way.hooks);
        Aims { events, dumps, ours: hooks.map(|hook| hook.target).collect() }
    }
}

/// Searches that a plan asks for, before they are begun.
pub struct Searches {
    peek: Peek,
    aims: Aims,
}

impl Searches {
    /// The object is loaded, with the program that reads memory.
    ///
    /// # Errors
    /// The kernel's memory cannot be read.
    pub fn new(object: &Object, aims: Aims) -> Result<Searches> {
        Ok(Searches { peek: Peek::new(object)?, aims })
    }

    /// Begins to search.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn begin(self) -> Result<Running> {
        let (stop, stopped) = mpsc::channel();
        let (tell, findings) = mpsc::channel();
        let mut search = Search { searches: self, stopped, tell, told: HashMap::new(), roots: None };
        let thread = std::thread::Builder::new().name("tracee-search".into());
        let thread = thread.spawn(move || search.run()).doing("begin a thread")?;
        Ok(Running { findings, stop: Some(stop), thread: Some(thread) })
    }
}

/// The thread; dropped, it ends.
pub struct Running {
    findings: Receiver<Owned>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Records of what has been found since the last call.
    pub fn findings(&self) -> impl Iterator<Item = Owned> + '_ {
        self.findings.try_iter()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // its panic has been printed, and takes nothing with it
            let _ = thread.join();
        }
    }
}

struct Search {
    searches: Searches,
    /// Nothing is sent: it is closed at the end.
    stopped: Receiver<()>,
    tell: Sender<Owned>,
    /// By event index: the findings that stand.
    told: HashMap<u16, HashSet<Vec<u8>>>,
    roots: Option<Roots>,
}

impl Search {
    fn run(&mut self) {
        let (mut last, mut known) = (None::<Instant>, String::new());
        loop {
            let now = self.fingerprint();
            if known != now || last.is_none_or(|last| last.elapsed() >= FULL) {
                // where the symbols are hidden from now on, the next round tries again
                if self.everything().is_ok() {
                    (known, last) = (now, Some(Instant::now()));
                }
            }
            if self.ended(QUICK) {
                return;
            }
        }
    }

    /// Waits; whether it is over.
    fn ended(&self, wait: Duration) -> bool {
        self.stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }

    fn wants(&self, event: u16) -> bool {
        self.searches.aims.events.contains(&event)
    }

    fn modules(&self) -> Option<Modules> {
        modules::find(&self.searches.peek, self.roots?)
    }

    /// Changes when a module comes, has been initialised, or goes.
    fn fingerprint(&self) -> String {
        match self.modules() {
            Some(modules) => format!("{modules:?}"),
            None => std::fs::read_to_string("/proc/modules").unwrap_or_default(),
        }
    }

    fn everything(&mut self) -> Result<()> {
        let symbols = Symbols::read()?;
        self.roots = self.roots.or_else(|| Roots::find(&symbols));
        self.search_modules();
        if self.wants(index::HOOKED_SYSCALL) {
            self.search_syscalls(&symbols)?;
        }
        if self.wants(index::HOOKED_SEQ_OPS) {
            self.search_table(index::HOOKED_SEQ_OPS, &symbols, tables::seq_operations)?;
        }
        if self.wants(index::HOOKED_PROC_FOPS) {
            self.search_table(index::HOOKED_PROC_FOPS, &symbols, tables::proc_operations)?;
        }
        if self.wants(index::FTRACE_HOOK) {
            self.search_ftrace(&symbols);
        }
        if self.wants(index::PRINT_MEM_DUMP) {
            let dumps = self.searches.aims.dumps.iter().map(|dump| self.dump(dump, &symbols)).collect();
            self.report(index::PRINT_MEM_DUMP, dumps);
        }
        Ok(())
    }

    /// Tells those findings that do not stand yet; those that are gone no longer stand.
    fn report(&mut self, event: u16, findings: Vec<Finding>) {
        if !self.wants(event) {
            return;
        }
        let before = self.told.remove(&event).unwrap_or_default();
        let mut standing = HashSet::new();
        for finding in findings {
            let same = Owned::new(&Head { event, ..Head::default() });
            let key = with_fields(same, &finding).as_bytes().to_vec();
            if !before.contains(&key) && !standing.contains(&key) {
                let head = Head { time: since_boot(), event, ..Head::default() };
                // nobody takes it at the end
                let _ = self.tell.send(with_fields(Owned::new(&head), &finding));
            }
            standing.insert(key);
        }
        self.told.insert(event, standing);
    }

    fn search_modules(&mut self) {
        let Some(modules) = self.modules() else { return };
        if self.wants(index::HIDDEN_KERNEL_MODULE_SEEKER) {
            let found = modules.iter().flat_map(|(address, module)| {
                let searches = [modules::LIST, modules::KSET, modules::TREE];
                searches.into_iter().filter(|search| module.searches & search != 0).map(|search| {
                    let name = Field::Text(module.name.clone());
                    let srcversion = Field::text(module.srcversion.as_deref());
                    vec![Field::Number(*address), name, Field::Number(search.into()), srcversion]
                })
            });
            self.report(index::HIDDEN_KERNEL_MODULE_SEEKER, found.collect());
        }
        if !self.wants(index::HIDDEN_KERNEL_MODULE) {
            return;
        }
        let mut hidden: Vec<(u64, Module)> = modules::hidden(&modules).map(|(at, m)| (at, m.clone())).collect();
        // one that is loading or going is missing somewhere for a moment
        if !hidden.is_empty() {
            if self.ended(SETTLE) {
                return;
            }
            let Some(again) = self.modules() else { return };
            hidden.retain(|found| modules::hidden(&again).any(|(at, module)| at == found.0 && *module == found.1));
        }
        let findings = hidden.into_iter().map(|(address, module)| {
            let srcversion = Field::text(module.srcversion.as_deref());
            vec![Field::Text(format!("{address:#x}")), Field::Text(module.name), srcversion]
        });
        self.report(index::HIDDEN_KERNEL_MODULE, findings.collect());
    }

    /// What is found twice: with symbols as they were, and read again, since code may have come after the first.
    fn confirmed(
        &self,
        symbols: &Symbols,
        find: impl Fn(&Peek, &Symbols) -> Vec<Hooked>,
    ) -> Result<Vec<(Hooked, String, String)>> {
        let found = find(&self.searches.peek, symbols);
        if found.is_empty() || self.ended(SETTLE) {
            return Ok(Vec::new());
        }
        let symbols = Symbols::read()?;
        let again = find(&self.searches.peek, &symbols);
        let stays = found.into_iter().filter(|hooked| again.contains(hooked));
        Ok(stays
            .map(|hooked| {
                let place = symbols.place(hooked.address);
                let name = |place: symbols::Place| match place.offset {
                    0 => place.name.to_owned(),
                    offset => format!("{}+{offset:#x}", place.name),
                };
                let owner = place.map_or_else(String::new, |place| place.owner.to_owned());
                let symbol = place.map_or_else(|| format!("{:#x}", hooked.address), name);
                (hooked, symbol, owner)
            })
            .collect())
    }

    fn search_syscalls(&mut self, symbols: &Symbols) -> Result<()> {
        let hooked = self.confirmed(symbols, tables::syscalls)?;
        let findings = hooked.iter().map(|(hooked, symbol, owner)| {
            let address = format!("{:#x}", hooked.address);
            let function = if *symbol == address { Field::Null } else { Field::Text(symbol.clone()) };
            let owner = if owner.is_empty() { Field::Null } else { Field::Text(owner.clone()) };
            vec![Field::Text(hooked.name.clone()), Field::Text(address), function, owner]
        });
        self.report(index::HOOKED_SYSCALL, findings.collect());
        Ok(())
    }

    fn search_table(
        &mut self,
        event: u16,
        symbols: &Symbols,
        find: impl Fn(&Peek, &Symbols) -> Vec<Hooked>,
    ) -> Result<()> {
        let hooked = self.confirmed(symbols, find)?;
        self.report(event, list_of(&hooked).map(|list| vec![list]).into_iter().collect());
        Ok(())
    }

    fn search_ftrace(&mut self, symbols: &Symbols) {
        let Some(text) = securityfs::read_tracefs("enabled_functions") else { return };
        let ours = &self.searches.aims.ours;
        let own = |hook: &ftrace::Hook| {
            let by_kprobe = hook.callback.symbol == "kprobe_ftrace_handler";
            hook.callback.is_bpf() || (by_kprobe && ours.contains(hook.symbol.as_str()))
        };
        let foreign = ftrace::parse(&text).into_iter().filter(|hook| !own(hook));
        let findings = foreign.map(|hook| {
            let owner =
                hook.callback.owner.or_else(|| symbols.address(&hook.callback.symbol).map(|_| SYSTEM.to_owned()));
            // of several hooks on one function, not every kernel says where they lead
            let leads = !hook.callback.symbol.is_empty();
            vec![
                Field::Text(hook.symbol),
                Field::text(hook.trampoline.as_deref()),
                if leads { Field::Text(hook.callback.symbol) } else { Field::Null },
                if leads { Field::Number(hook.callback.offset) } else { Field::Null },
                Field::text(owner.as_deref()),
                Field::Text(hook.flags),
                Field::Number(hook.count),
            ]
        });
        let findings = findings.collect();
        self.report(index::FTRACE_HOOK, findings);
    }

    fn dump(&self, dump: &Dump, symbols: &Symbols) -> Finding {
        let (address, name, owner) = match &dump.place {
            Place::Address(address) => {
                let place = symbols.place(*address);
                let (name, owner) = (place.map(|place| place.name), place.map(|place| place.owner));
                (Some(*address), name.map(str::to_owned), owner.map(str::to_owned))
            }
            Place::Symbol { name, owner } => {
                let fits = |other: &str| owner.as_ref().is_none_or(|owner| owner == other);
                let found = symbols.iter().find(|(_, symbol, owner)| symbol == name && fits(owner));
                (found.map(|f| f.0), Some(name.clone()), found.map(|f| f.2.to_owned()).or(owner.clone()))
            }
        };
        let bytes = address.and_then(|address| self.searches.peek.bytes(address, dump.length as usize));
        vec![
            bytes.map_or(Field::Null, Field::Bytes),
            address.map_or(Field::Null, Field::Number),
            Field::Number(dump.length),
            Field::Number(0),
            Field::Text(std::env::consts::ARCH.into()),
            Field::text(name.as_deref()),
            Field::text(owner.as_deref()),
        ]
    }
}

/// As the kind `symbols` of the catalogue is laid out; `None` for none.
fn list_of(hooked: &[(Hooked, String, String)]) -> Option<Field> {
    let texts = hooked.iter().flat_map(|(hooked, symbol, owner)| [&hooked.name, "\0", symbol, "\0", owner, "\0"]);
    (!hooked.is_empty()).then(|| Field::Text(texts.collect()))
}

fn with_fields(mut record: Owned, finding: &Finding) -> Owned {
    for field in finding {
        match field {
            Field::Null => record.push_chunk(&[], chunk::NULL),
            Field::Text(text) => record.push_chunk(text.as_bytes(), 0),
            Field::Number(number) => record.push_chunk(&number.to_le_bytes(), 0),
            Field::Bytes(bytes) => record.push_chunk(bytes, 0),
        }
    }
    debug_assert!(EVENTS.iter().any(|event| event.args.len() == finding.len()));
    record
}

/// Whether a search reads the kernel's memory, by [`PROGRAM`].
pub fn reads_memory(search: &str) -> bool {
    namespaces::process(search).is_none() && search != CONTAINERS
}

/// What is told once, as soon as it is wanted. Like all findings it is no task's deed, but task 0's: scopes do not apply to
/// it, filters by its arguments do.
pub fn at_start(chosen: &Chosen, before: &Chosen) -> Vec<Owned> {
    let event = index::INIT_NAMESPACES;
    if before.ways.contains_key(&event) {
        return Vec::new();
    }
    let hooks = chosen.ways.get(&event).map_or(&[][..], |(way, _)| way.hooks);
    let processes = hooks.iter().filter_map(|hook| namespaces::process(hook.target));
    let tell = |process| {
        let head = Head { time: since_boot(), event, ..Head::default() };
        with_fields(Owned::new(&head), &namespaces::find(process))
    };
    processes.map(tell).collect()
}

/// Why a search cannot be made here, or `None`. `symbol`: whether the kernel's symbols have that name.
pub fn refusal(search: &str, symbol: impl Fn(&str) -> bool) -> Option<String> {
    if let Some(process) = namespaces::process(search) {
        return namespaces::refusal(process);
    }
    match search {
        "modules" if std::fs::metadata("/proc/modules").is_err() => Some("this kernel loads no modules".into()),
        "modules" if !symbol("modules") => {
            Some("the kernel's symbols lack the list of modules (CONFIG_KALLSYMS_ALL)".into())
        }
        "ftrace" if securityfs::read_tracefs("enabled_functions").is_none() => {
            Some("this kernel does not tell what is hooked (CONFIG_DYNAMIC_FTRACE)".into())
        }
        "modules" | "syscalls" | "seq_ops" | "proc_fops" | "memory" | "ftrace" if !symbols::are_told() => {
            Some("/proc/kallsyms hides the kernel's addresses (kernel.kptr_restrict, CAP_SYSLOG)".into())
        }
        _ => None,
    }
}
