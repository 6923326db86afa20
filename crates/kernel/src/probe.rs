//! What this kernel allows: tried, since versions and configuration files do not tell what a vendor or a lockdown has
//! changed. Each kind of hook is tried once, when it is first asked for.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use tracee_core::catalogue::{Hook, EVENTS};

use crate::{btf, cgroup, containers, scan, securityfs};

/// The better kinds of hooks, which a kernel may refuse as a whole.
pub const BETTER: [&str; 5] = ["fentry", "fexit", "lsm", "kprobe", "kretprobe"];
/// Functions that every kernel has, to try trampolines on.
const TRIED_FUNCTION: &str = "security_file_open";
const TRIED_LSM: &str = "bpf_lsm_file_open";
const TYPES: [&str; 2] = ["task_struct", "file"];
/// All trampolines pass as many arguments; more only on some kernels.
const EASY_ARGUMENTS: u32 = 6;
/// The kernel's own number, for which the C library has no word.
const ENOTSUPP: i32 = 524;

/// What the running kernel allows.
#[derive(Default)]
pub struct Kernel {
    bytes: OnceCell<btf::Bytes>,
    types: OnceCell<btf::Found>,
    functions: OnceCell<HashSet<String>>,
    fentry: OnceCell<Result<(), String>>,
    lsm: OnceCell<Result<(), String>>,
    kprobe: OnceCell<Result<(), String>>,
    cgroup: OnceCell<Result<(), String>>,
    /// Functions of many arguments: whether trampolines can be put on them.
    crowded: RefCell<HashMap<&'static str, bool>>,
}

impl Kernel {
    /// Why a hook cannot be had here, in a few words; `None`: it seems that it can.
    pub fn refusal(&self, hook: &Hook) -> Option<String> {
        let target = hook.target;
        if let Err(why) = self.kind(hook.kind) {
            return Some(why.clone());
        }
        let types = self.types();
        match hook.kind {
            "fentry" | "fexit" => {
                missing(types.contains_key(target), "function", target).or_else(|| self.too_many_arguments(target))
            }
            "lsm" => missing(types.contains_key(&format!("bpf_lsm_{target}")), "LSM hook", target),
            "tp_btf" => missing(types.contains_key(&format!("btf_trace_{target}")), "tracepoint", target),
            // functions that the compiler changed are not among the types, but may be probed
            "kprobe" | "kretprobe" => {
                missing(types.contains_key(target) || self.functions().contains(target), "function", target)
            }
            "scan" if target == scan::CONTAINERS => containers::PROGRAMS
                .iter()
                .find_map(|(_, tracepoint)| missing(self.has_tracepoint(tracepoint), "tracepoint", tracepoint)),
            "scan" => scan::refusal(target, |name| self.functions().contains(name)),
            _ => None,
        }
    }

    /// Why hooks of a kind cannot be had at all; `Ok`: that depends on the hook.
    pub fn kind(&self, kind: &str) -> &Result<(), String> {
        match kind {
            "fentry" | "fexit" => self.fentry.get_or_init(|| self.try_trampoline(TRIED_FUNCTION, fentry_type())),
            "lsm" => self.lsm.get_or_init(|| self.try_lsm()),
            "kprobe" | "kretprobe" => self.kprobe.get_or_init(has_kprobes),
            "cgroup_skb" | "cgroup_sock" => {
                self.cgroup.get_or_init(|| cgroup::root().map(drop).map_err(|error| error.to_string()))
            }
            _ => &Ok(()),
        }
    }

    /// The kernel's types, as it describes them.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get_or_init(btf::Bytes::of_kernel).get()
    }

    /// The ids of types as the kernel side has them, `types` of `bpf/include/older.h`; 0 where there is none.
    pub fn read_types(&self) -> [u32; 2] {
        TYPES.map(|name| self.types().get(name).map_or(0, |known| known.id))
    }

    /// Of those that events of the catalogue are taken at.
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.types().contains_key(&format!("btf_trace_{name}"))
    }

    fn types(&self) -> &btf::Found {
        self.types.get_or_init(|| {
            let hooks = EVENTS.iter().flat_map(|event| event.attach).flat_map(|way| way.hooks);
            let mut names: HashSet<String> = hooks
                .map(|hook| match hook.kind {
                    "lsm" => format!("bpf_lsm_{}", hook.target),
                    "tp_btf" => format!("btf_trace_{}", hook.target),
                    _ => hook.target.to_owned(),
                })
                .collect();
            names.extend([TRIED_FUNCTION, TRIED_LSM].iter().chain(&TYPES).map(|name| (*name).to_owned()));
            btf::find(self.bytes(), &names)
        })
    }

    /// The kernel's functions by name: 150,000 lines, read only where the types do not know one.
    fn functions(&self) -> &HashSet<String> {
        self.functions.get_or_init(|| {
            let text = fs::read("/proc/kallsyms").unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            text.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)).map(str::to_owned).collect()
        })
    }

    /// Why a function cannot be hooked for what it takes. That shows only when it is attached, after all has been loaded.
    fn too_many_arguments(&self, function: &'static str) -> Option<String> {
        let arguments = self.types().get(function)?.arguments;
        if arguments <= EASY_ARGUMENTS {
            return None;
        }
        let mut crowded = self.crowded.borrow_mut();
        let works = crowded.entry(function).or_insert_with(|| {
            self.load_trampoline(function, fentry_type()).and_then(|program| attach(&program)).is_ok()
        });
        (!*works).then(|| format!("the kernel cannot hook a function of {arguments} arguments so"))
    }

    /// Tries trampolines on `function`. arm64 takes programs for them, and before 6.4 lets none be attached to a
    /// function of the kernel; x86_64 is not asked to attach, which would cost each start some milliseconds.
    fn try_trampoline(&self, function: &str, kinds: (u32, u32)) -> Result<(), String> {
        let program = self.load_trampoline(function, kinds)?;
        if cfg!(target_arch = "aarch64") {
            attach(&program)?;
        }
        Ok(())
    }

    /// Loads a program that does nothing, to be attached to `function`.
    fn load_trampoline(&self, function: &str, (kind, attach): (u32, u32)) -> Result<OwnedFd, String> {
        let Some(&btf::Known { id, .. }) = self.types().get(function) else {
            return Err("the kernel has no types (CONFIG_DEBUG_INFO_BTF)".into());
        };
        let instructions = [
            libbpf_sys::bpf_insn { code: 0xb7, ..Default::default() }, // r0 = 0
            libbpf_sys::bpf_insn { code: 0x95, ..Default::default() }, // exit
        ];
        let mut options = libbpf_sys::bpf_prog_load_opts {
            sz: size_of::<libbpf_sys::bpf_prog_load_opts>() as libbpf_sys::size_t,
            expected_attach_type: attach,
            attach_btf_id: id,
            ..Default::default()
        };
        let (name, license) = (CString::from(c"tracee_try"), CString::from(c"GPL"));
        // SAFETY: all pointers are valid for the call; the kernel copies what it keeps
        let fd = unsafe {
            libbpf_sys::bpf_prog_load(
                kind,
                name.as_ptr(),
                license.as_ptr(),
                instructions.as_ptr(),
                instructions.len() as libbpf_sys::size_t,
                &mut options,
            )
        };
        if fd < 0 {
            let error = io::Error::from_raw_os_error(-fd);
            return Err(format!("the kernel refuses such programs: {}", crate::error::strerror(&error)));
        }
        // SAFETY: a descriptor that nobody else owns; dropped, the program is gone
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn try_lsm(&self) -> Result<(), String> {
        self.try_trampoline(TRIED_LSM, (libbpf_sys::BPF_PROG_TYPE_LSM, libbpf_sys::BPF_LSM_MAC))?;
        // without it such programs load and attach, and never run
        match securityfs::read("lsm") {
            Some(list) if !list.split(',').any(|name| name == "bpf") => {
                Err(format!("bpf is not among the kernel's security modules ({list}; boot with lsm=...,bpf)"))
            }
            _ => Ok(()),
        }
    }
}

/// Attaches a program where it was loaded for, for a moment.
fn attach(program: &OwnedFd) -> Result<(), String> {
    // SAFETY: no name is what is right for a trampoline
    let link = unsafe { libbpf_sys::bpf_raw_tracepoint_open(std::ptr::null(), program.as_raw_fd()) };
    if link < 0 {
        let why = match -link {
            ENOTSUPP => "ENOTSUPP".into(),
            number => crate::error::strerror(&io::Error::from_raw_os_error(number)),
        };
        return Err(format!("the kernel lets no such program be attached: {why}"));
    }
    // SAFETY: a descriptor that nobody else owns; dropped, the program is detached
    drop(unsafe { OwnedFd::from_raw_fd(link) });
    Ok(())
}

fn fentry_type() -> (u32, u32) {
    (libbpf_sys::BPF_PROG_TYPE_TRACING, libbpf_sys::BPF_TRACE_FENTRY)
}

fn missing(there: bool, what: &str, name: &str) -> Option<String> {
    (!there).then(|| format!("this kernel has no {what} {name}"))
}

fn has_kprobes() -> Result<(), String> {
    let there = fs::metadata("/sys/bus/event_source/devices/kprobe/type").is_ok();
    there.then_some(()).ok_or_else(|| "this kernel has no kprobes (CONFIG_KPROBES)".into())
}
