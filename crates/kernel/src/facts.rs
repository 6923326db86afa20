//! What the machine is and allows, for a person who wonders why something is not seen.

use tracee_core::budget;

use crate::cgroup;
use crate::error::{Doing, Result};
use crate::mapping::page_size;
use crate::probe::Kernel;
use crate::{btf, limits, securityfs};

/// Facts of the machine; `None`: not to be learnt here.
#[derive(Debug)]
pub struct Facts {
    /// The kernel describes its own types.
    pub btf: bool,
    /// Active security modules, comma-separated.
    pub lsm: Option<String>,
    /// The kernel's own limits to root, as it writes them: `none [integrity] confidentiality`.
    pub lockdown: Option<String>,
    /// Where cgroup v2 is mounted.
    pub cgroup_root: Option<String>,
    /// Bytes.
    pub memory_limit: Option<u64>,
    pub rings: u32,
    /// Of one ring.
    pub ring_bytes: u64,
    /// Kinds of hooks: why they cannot be had, or nothing.
    pub kinds: Vec<(&'static str, Option<String>)>,
}

/// Kinds of hooks that a kernel has as a whole, or has not.
const KINDS: [&str; 3] = ["fentry", "lsm", "kprobe"];

impl Facts {
    /// `ring_pages`: what is asked for each CPU.
    ///
    /// # Errors
    /// The CPUs cannot be counted.
    pub fn gather(ring_pages: u64) -> Result<Facts> {
        let kernel = Kernel::default();
        let cpus = libbpf_rs::num_possible_cpus().doing("count the CPUs")?;
        let memory_limit = limits::memory_limit();
        let sizes = budget::rings(cpus as u32, ring_pages.saturating_mul(page_size() as u64), memory_limit);
        Ok(Facts {
            btf: btf::is_there(),
            lsm: securityfs::read("lsm"),
            lockdown: securityfs::read("lockdown"),
            cgroup_root: cgroup::place(),
            memory_limit,
            rings: sizes.rings,
            ring_bytes: sizes.bytes,
            kinds: KINDS.iter().map(|kind| (*kind, kernel.kind(kind).clone().err())).collect(),
        })
    }
}
