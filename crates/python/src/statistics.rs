//! What `--stats` tells beside the counters.

use std::sync::MutexGuard;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tracee_core::catalogue::EVENTS;
use tracee_core::findings;
use tracee_kernel::{Cost, Progress, Session};

use crate::outputs::Told;

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn name(index: usize) -> &'static str {
    let finding = || u16::try_from(index).ok().and_then(findings::kind);
    EVENTS.get(index).or_else(finding).map_or("unknown", |event| event.name)
}

/// As nested dicts: `events` and `lost` by name, `outputs`, and `cpu` by stage in seconds.
pub fn statistics<'py>(
    py: Python<'py>,
    progress: &Progress,
    outputs: &[Told],
    costs: &[Cost],
) -> PyResult<Bound<'py, PyDict>> {
    let tally = progress.tally();
    let events = PyDict::new(py);
    for (index, count) in tally.events.iter().enumerate().filter(|(_, count)| **count > 0) {
        events.set_item(name(index), count)?;
    }
    let lost = PyDict::new(py);
    for (index, count) in progress.lost_events() {
        lost.set_item(name(usize::from(index)), count)?;
    }
    let queues = PyDict::new(py);
    for told in outputs {
        let (queued, deepest) = told.fate.depth();
        let depths = PyDict::new(py);
        depths.set_item("format", &told.format)?;
        depths.set_item("queuedBlocks", queued)?;
        depths.set_item("mostQueuedBlocks", deepest)?;
        queues.set_item(&told.name, depths)?;
    }
    let programs = PyDict::new(py);
    for cost in costs.iter().filter(|cost| cost.runs > 0 || cost.skipped > 0) {
        let of = PyDict::new(py);
        of.set_item("seconds", seconds(cost.ns))?;
        of.set_item("runs", cost.runs)?;
        of.set_item("skipped", cost.skipped)?;
        programs.set_item(&cost.program, of)?;
    }
    let cpu = PyDict::new(py);
    cpu.set_item("kernel", seconds(costs.iter().map(|cost| cost.ns).sum()))?;
    cpu.set_item("reader", seconds(progress.cpu()))?;
    cpu.set_item("formats", seconds(tally.formats.iter().sum()))?;
    cpu.set_item("writers", seconds(outputs.iter().map(|told| told.fate.cpu()).sum()))?;
    let all = PyDict::new(py);
    all.set_item("eventsByName", events)?;
    all.set_item("lostByName", lost)?;
    all.set_item("outputs", queues)?;
    all.set_item("cpuSeconds", cpu)?;
    all.set_item("programs", programs)?;
    Ok(all)
}

/// What programs have cost: as they are now, or as they were when the session ended.
pub fn costs(session: &MutexGuard<'_, Option<Session>>, last: &[Cost]) -> Vec<Cost> {
    session.as_ref().map_or_else(|| last.to_vec(), Session::costs)
}
