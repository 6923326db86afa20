//! The catalogue, for Python: what `--events list`, the documentation and the checks of names read.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use tracee_core::catalogue::{self as core, EVENTS};

/// A kind of event.
#[pyclass(frozen, get_all, module = "tracee._core")]
pub struct EventKind {
    name: &'static str,
    id: u32,
    category: &'static str,
    about: &'static str,
    sets: Vec<&'static str>,
    /// Ways to take it, best first.
    attach: Vec<String>,
    /// Of each way, what it does not see or know.
    misses: Vec<&'static str>,
    args: Vec<Py<Arg>>,
}

/// An argument of a kind of event.
#[pyclass(frozen, get_all, module = "tracee._core")]
pub struct Arg {
    name: &'static str,
    #[pyo3(name = "type")]
    c_type: &'static str,
    /// Names of its values, where it has any: the family's name.
    family: Option<&'static str>,
    /// What filters call it: `data.NAME`, or its parts, where `*` stands for any key.
    fields: Vec<String>,
}

/// Every kind of event, in the catalogue's order.
#[pyfunction]
pub fn events(py: Python<'_>) -> PyResult<Vec<EventKind>> {
    EVENTS.iter().map(|event| kind(py, event)).collect()
}

pub fn kind(py: Python<'_>, event: &'static core::Event) -> PyResult<EventKind> {
    let family = |arg: &'static core::Arg| match arg.names {
        core::Names::Family(index) => Some(core::FAMILIES[usize::from(index)].name),
        _ => None,
    };
    let args = event
        .args
        .iter()
        .map(|a| Py::new(py, Arg { name: a.name, c_type: a.c_type, family: family(a), fields: a.fields() }));
    Ok(EventKind {
        name: event.name,
        id: event.id,
        category: event.category,
        about: event.about,
        sets: event.sets.to_vec(),
        attach: event.attach.iter().map(core::Way::name).collect(),
        misses: event.attach.iter().map(|way| way.misses).collect(),
        args: args.collect::<PyResult<_>>()?,
    })
}

/// Numbers of system calls, by name: as this machine's programs make them, or (`compat`) as 32-bit ones do.
#[pyfunction]
pub fn call_numbers(compat: bool) -> BTreeMap<&'static str, u32> {
    let calls: &[core::Call] = if compat { &core::COMPAT_CALLS } else { &core::NATIVE_CALLS };
    calls.iter().map(|call| (call.name, call.number)).collect()
}

/// Categories of events, each once, in the catalogue's order.
#[pyfunction]
pub fn categories() -> Vec<&'static str> {
    let mut all: Vec<&str> = Vec::new();
    for event in &EVENTS {
        if !all.contains(&event.category) {
            all.push(event.category);
        }
    }
    all
}

/// The word of `known` most like `word`, or None where none is like it.
#[pyfunction]
pub fn nearest(word: &str, known: Vec<String>) -> Option<String> {
    core::nearest(word, known.iter().map(String::as_str)).map(str::to_owned)
}
