//! The machine's facts, for `tracee doctor`.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::tracer::KernelError;

/// The capabilities of a set (bit n is capability n), by name.
#[pyfunction]
pub fn capabilities(set: u64) -> String {
    let mut names = Vec::new();
    tracee_core::names::write_capabilities(&mut names, set);
    String::from_utf8_lossy(&names).into_owned()
}

/// In all threads, gives up every capability but those of the set, for good. Raises OSError where a thread keeps more.
#[pyfunction]
pub fn give_up_privileges(py: Python<'_>, keep: u64) -> PyResult<()> {
    py.detach(|| tracee_kernel::give_up_privileges(keep)).map_err(|e| PyOSError::new_err(e.to_string()))
}

/// What the machine is and allows; see `tracee_kernel::Facts`. `ring_pages`: what is asked for each CPU.
#[pyfunction]
pub fn facts(py: Python<'_>, ring_pages: u64) -> PyResult<Bound<'_, PyDict>> {
    let facts = py
        .detach(|| tracee_kernel::Facts::gather(ring_pages))
        .map_err(|e| KernelError::new_err((e.to_string(), e.is_permission())))?;
    let dict = PyDict::new(py);
    dict.set_item("btf", facts.btf)?;
    dict.set_item("lsm", facts.lsm)?;
    dict.set_item("lockdown", facts.lockdown)?;
    dict.set_item("cgroupRoot", facts.cgroup_root)?;
    dict.set_item("memoryLimit", facts.memory_limit)?;
    dict.set_item("rings", facts.rings)?;
    dict.set_item("ringBytes", facts.ring_bytes)?;
    let hooks = PyDict::new(py);
    for (kind, refusal) in facts.kinds {
        hooks.set_item(kind, refusal)?;
    }
    dict.set_item("hooks", hooks)?;
    Ok(dict)
}
