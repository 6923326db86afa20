//! What the kernel's programs have taken of the CPUs, where BPF statistics are on.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::Object;

/// One program, with how long it ran (ns) and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    pub program: String,
    pub ns: u64,
    pub runs: u64,
    /// How often the kernel left it out, because it was interrupted while it ran on that CPU; 0 before 5.12, which
    /// does not count. What it would have told is lost.
    pub skipped: u64,
}

/// Of those programs of an object that are loaded; one that the kernel says nothing of is left out.
pub fn of(object: &Object) -> Vec<Cost> {
    let loaded = object.progs().filter(|program| program.autoload());
    let cost = |program: libbpf_rs::Program| {
        // SAFETY: a plain struct of numbers
        let mut info: libbpf_sys::bpf_prog_info = unsafe { zeroed() };
        let mut length = size_of::<libbpf_sys::bpf_prog_info>() as u32;
        // SAFETY: an open descriptor, and room of the length that is passed
        let failed =
            unsafe { libbpf_sys::bpf_prog_get_info_by_fd(program.as_fd().as_raw_fd(), &raw mut info, &raw mut length) };
        let program = program.name().to_string_lossy().into_owned();
        let skipped = info.recursion_misses;
        (failed == 0).then_some(Cost { program, ns: info.run_time_ns, runs: info.run_cnt, skipped })
    };
    loaded.filter_map(cost).collect()
}
