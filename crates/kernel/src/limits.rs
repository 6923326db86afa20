//! What this machine has and allows.

use std::fs;
use std::io::ErrorKind;
use std::ptr;

use crate::btf;
use crate::error::{Error, Result};

/// Whether the kernel is one of those before 5.17, by what we would miss there: `bpf/include/older.h`.
pub fn is_older() -> bool {
    // SAFETY: the probe loads a program of its own, and takes no options
    unsafe {
        libbpf_sys::libbpf_probe_bpf_helper(
            libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
            libbpf_sys::BPF_FUNC_loop,
            ptr::null(),
        ) == 0
    }
}

/// The kernel has to describe its types.
///
/// # Errors
/// It does not; the message names the remedy.
pub fn require_types() -> Result<()> {
    if btf::is_there() {
        return Ok(());
    }
    let detail = "it does not describe its types (no /sys/kernel/btf/vmlinux); boot one that was built with \
                  CONFIG_DEBUG_INFO_BTF=y, as distributions do since 2021";
    Err(Error::new("use this kernel", ErrorKind::Unsupported, detail))
}

/// Why nothing can be loaded, where that is the kernel's age. Only for those who may load programs.
///
/// # Errors
/// The kernel has no ring buffers; the message names the remedy.
pub fn require_rings() -> Result<()> {
    // SAFETY: the probe makes a map and closes it, and takes no options
    match unsafe { libbpf_sys::libbpf_probe_bpf_map_type(libbpf_sys::BPF_MAP_TYPE_RINGBUF, ptr::null()) } {
        0 => {
            let detail = "it has no BPF ring buffers; boot a kernel of version 5.10 or later";
            Err(Error::new("use this kernel", ErrorKind::Unsupported, detail))
        }
        _ => Ok(()),
    }
}

/// The lowest memory limit of our cgroups, in bytes; v2, and v1 where it is mounted beside or instead.
pub fn memory_limit() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut lowest: Option<u64> = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (roots, file): (&[&str], &str) = if controllers.is_empty() {
            (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], "memory.max")
        } else if controllers.split(',').any(|c| c == "memory") {
            (&["/sys/fs/cgroup/memory"], "memory.limit_in_bytes")
        } else {
            continue;
        };
        for root in roots {
            // a parent's limit holds for its children
            let mut folder = Some(std::path::Path::new(path));
            while let Some(at) = folder {
                let file = format!("{root}{}/{file}", at.display());
                let limit = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok());
                if let Some(limit) = limit {
                    lowest = Some(lowest.map_or(limit, |l| l.min(limit)));
                }
                folder = at.parent();
            }
        }
    }
    lowest
}
