//! Events on their way to signatures, and findings on their way back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded, Receiver, RecvTimeoutError, SendTimeoutError, Sender};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use tracee_core::catalogue::{Arg, Kind};
use tracee_core::findings::{self, Declaration, Trigger, Value};
use tracee_core::pipeline::detected::{Detector, Found, Portion, Signal};
use tracee_core::text;
use tracee_core::time::Clock;

use crate::catalogue::{kind, EventKind};
use crate::event::Event;

/// Bytes of events that wait for signatures.
const ROOM: usize = 32 << 20;
/// What an event, or a signal, takes beside its record.
const OVERHEAD: usize = 128;
/// Findings that wait for the reader.
const FINDINGS: usize = 4096;
/// How long a finding waits before it is looked whether there still is a reader.
const LOOK: Duration = Duration::from_millis(50);
/// Lists inside lists of a finding's data.
const MOST_NESTED: usize = 16;

#[derive(Default)]
struct Shared {
    attended: AtomicBool,
    watches_processes: AtomicBool,
    /// Portions handed over, and those that have been looked at.
    handed: AtomicU64,
    done: AtomicU64,
    bytes: AtomicUsize,
    /// Events that were not looked at, by index.
    missed: Mutex<BTreeMap<u16, u64>>,
    findings_lost: AtomicU64,
}

/// The pipeline's end.
pub struct Sending {
    portions: Sender<Portion>,
    found: Receiver<Found>,
    shared: Arc<Shared>,
}

/// Python's end.
#[derive(Clone)]
pub struct Detections {
    portions: Receiver<Portion>,
    found: Sender<Found>,
    shared: Arc<Shared>,
    /// Somebody has a portion that is not done yet.
    holding: Arc<AtomicBool>,
}

/// Events by the number of the signature, and signals: kind, pid, start time, container.
pub type Taken<'py> = (Bound<'py, PyDict>, Vec<(&'static str, u32, u64, String)>);

pub fn detections() -> (Sending, Detections) {
    let (portions, taken) = unbounded();
    let (found, taken_back) = bounded(FINDINGS);
    let shared = Arc::<Shared>::default();
    (
        Sending { portions, found: taken_back, shared: shared.clone() },
        Detections { portions: taken, found, shared, holding: Arc::default() },
    )
}

fn size(portion: &Portion) -> usize {
    portion.events.bytes() + OVERHEAD * (portion.events.len() + portion.signals.len())
}

impl Detector for Sending {
    fn take(&mut self, portion: Portion) -> Result<(), Portion> {
        let size = size(&portion);
        if self.shared.bytes.load(Ordering::Acquire) + size > ROOM {
            return Err(portion);
        }
        self.shared.bytes.fetch_add(size, Ordering::AcqRel);
        self.portions.send(portion).map_err(|back| back.0)?;
        self.shared.handed.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn missed(&mut self, events: &mut dyn Iterator<Item = u16>) {
        let mut missed = self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner);
        events.for_each(|event| *missed.entry(event).or_default() += 1);
    }

    fn found(&mut self) -> Vec<Found> {
        self.found.try_iter().collect()
    }

    fn is_idle(&self) -> bool {
        self.shared.done.load(Ordering::Acquire) == self.shared.handed.load(Ordering::Acquire)
    }

    fn is_attended(&self) -> bool {
        self.shared.attended.load(Ordering::Acquire)
    }

    fn watches_processes(&self) -> bool {
        self.shared.watches_processes.load(Ordering::Acquire)
    }
}

impl Detections {
    /// There is somebody who takes events from now on.
    pub fn attend(&self, watches_processes: bool) {
        self.shared.watches_processes.store(watches_processes, Ordering::Release);
        self.shared.attended.store(true, Ordering::Release);
    }

    /// The next portion, after the last has been dealt with; `None` when there will be none, an empty one after `wait`.
    pub fn next<'py>(&self, py: Python<'py>, wait: Duration) -> PyResult<Option<Taken<'py>>> {
        if self.holding.swap(false, Ordering::AcqRel) {
            self.shared.done.fetch_add(1, Ordering::AcqRel);
        }
        let portion = match py.detach(|| self.portions.recv_timeout(wait)) {
            Ok(portion) => portion,
            Err(RecvTimeoutError::Timeout) => return Ok(Some((PyDict::new(py), Vec::new()))),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        };
        self.holding.store(true, Ordering::Release);
        self.shared.bytes.fetch_sub(size(&portion), Ordering::AcqRel);
        let Portion { events, signals } = portion;
        let signals = signals.into_iter().map(|signal| told(signal, events.clock)).collect();
        let (events, by_signature) = (Arc::new(events), PyDict::new(py));
        let mut lists: BTreeMap<u16, Bound<'py, PyList>> = BTreeMap::new();
        for index in 0..events.len() {
            let event = Py::new(py, Event::new(events.clone(), index))?;
            for number in events.takers(index) {
                lists.entry(*number).or_insert_with(|| PyList::empty(py)).append(&event)?;
            }
        }
        for (number, list) in lists {
            by_signature.set_item(number, list)?;
        }
        Ok(Some((by_signature, signals)))
    }

    /// Hands a finding to the reader. Whether it took it: false at the end, and where too many findings led to it.
    pub fn found(&self, py: Python<'_>, number: u16, event: &Event, data: &Bound<'_, PyDict>) -> PyResult<bool> {
        let index = findings::FIRST + number;
        let kind = findings::kind(index).ok_or_else(|| PyValueError::new_err("no such signature"))?;
        let values = kind.args.iter().map(|arg| match data.get_item(arg.name)? {
            Some(value) => field(arg, &value),
            None => Ok(Value::Null),
        });
        let values = values.collect::<PyResult<Vec<_>>>()?;
        let beyond = beyond(data, |name| kind.args.iter().any(|arg| arg.name == name))?;
        let member = event.parts()?;
        let context = member.context(Clock::default(), 0);
        let policies = context.matched_names().collect();
        let trigger = Trigger { record: member.bytes, head: member.event.head, policies };
        let Some(record) = findings::record(index, &trigger, &values, &beyond) else { return Ok(false) };
        let mut found = Found {
            record,
            policies: member.policies.clone(),
            executable: member.executable.cloned(),
            container: member.container.cloned(),
            lineage: member.lineage.cloned(),
        };
        let taken = py.detach(|| loop {
            match self.found.send_timeout(found, LOOK) {
                Ok(()) => return true,
                Err(SendTimeoutError::Timeout(back)) => found = back,
                Err(SendTimeoutError::Disconnected(_)) => return false,
            }
        });
        if !taken {
            self.shared.findings_lost.fetch_add(1, Ordering::AcqRel);
        }
        Ok(taken)
    }

    /// Events that signatures did not look at, by name.
    pub fn missed(&self) -> BTreeMap<&'static str, u64> {
        let missed = self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let named =
            missed.iter().filter_map(|(index, count)| Some((tracee_core::catalogue::by_index(*index)?.name, *count)));
        named.collect()
    }

    pub fn findings_lost(&self) -> u64 {
        self.shared.findings_lost.load(Ordering::Acquire)
    }
}

fn told(signal: Signal, clock: Clock) -> (&'static str, u32, u64, String) {
    match signal {
        Signal::ProcessGone { pid, start } => ("process gone", pid, clock.wall(start), String::new()),
        Signal::ContainerGone { id } => ("container gone", 0, 0, id),
        Signal::Shutdown => ("shutdown", 0, 0, String::new()),
    }
}

/// Declares what a signature finds (JSON, see `tracee_core::findings::Declaration`): its number, and the kind of event.
///
/// Raises ValueError for a type that no field can have.
#[pyfunction]
pub fn declare(py: Python<'_>, declaration: &str) -> PyResult<(u16, EventKind)> {
    let declaration: Declaration =
        serde_json::from_str(declaration).map_err(|e| PyValueError::new_err(format!("declaration: {e}")))?;
    let index = findings::declare(&declaration).map_err(PyValueError::new_err)?;
    let declared = findings::kind(index).ok_or_else(|| PyValueError::new_err("not declared"))?;
    Ok((index - findings::FIRST, kind(py, declared)?))
}

fn wrong(arg: &Arg, value: &Bound<'_, PyAny>) -> PyErr {
    let got = value.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
    PyTypeError::new_err(format!("the field {} is {}, and cannot be {got} ({value})", arg.name, arg.c_type))
}

/// The value of a declared field.
fn field(arg: &Arg, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if value.is_none() {
        return Ok(Value::Null);
    }
    Ok(match arg.kind {
        Kind::String => Value::Text(bytes_of(value)?.ok_or_else(|| wrong(arg, value))?),
        Kind::StringList => {
            if value.is_instance_of::<PyString>() {
                return Err(wrong(arg, value));
            }
            let items = value.try_iter().map_err(|_| wrong(arg, value))?;
            let texts = items.map(|item| bytes_of(&item?)?.ok_or_else(|| wrong(arg, value)));
            Value::List(texts.collect::<PyResult<_>>()?)
        }
        Kind::Bool if value.is_instance_of::<PyBool>() => Value::Number(value.extract::<bool>()?.into()),
        Kind::I32 => Value::Number(i64::from(value.extract::<i32>().map_err(|_| wrong(arg, value))?) as u64),
        Kind::I64 => Value::Number(value.extract::<i64>().map_err(|_| wrong(arg, value))? as u64),
        Kind::U32 => Value::Number(value.extract::<u32>().map_err(|_| wrong(arg, value))?.into()),
        Kind::U64 | Kind::Pointer => Value::Number(value.extract::<u64>().map_err(|_| wrong(arg, value))?),
        _ => return Err(wrong(arg, value)),
    })
}

/// The bytes of a text, as os.fsencode gives them; `None`: it is none.
fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    if !value.is_instance_of::<PyString>() {
        return Ok(None);
    }
    let encoded = value.call_method1("encode", ("utf-8", "surrogateescape"))?;
    Ok(Some(encoded.cast::<PyBytes>()?.as_bytes().to_vec()))
}

/// What is in `data` beside the declared fields, as `args` of JSON have it.
fn beyond(data: &Bound<'_, PyDict>, is_declared: impl Fn(&str) -> bool) -> PyResult<Vec<u8>> {
    let mut out = Vec::new();
    for (name, value) in data.iter() {
        let name = name.cast::<PyString>().map_err(|_| PyTypeError::new_err("a field's name must be text"))?;
        let name = name.to_string_lossy();
        if is_declared(&name) {
            continue;
        }
        out.extend_from_slice(if out.is_empty() { br#"{"name":""# } else { br#",{"name":""# });
        text::json(&mut out, name.as_bytes());
        out.extend_from_slice(format!(r#"","type":"{}","value":"#, c_type(&value)).as_bytes());
        json(&mut out, &value, 0)?;
        out.push(b'}');
    }
    Ok(out)
}

/// What JSON shows as the type of a value whose type nobody declared.
fn c_type(value: &Bound<'_, PyAny>) -> &'static str {
    if value.is_instance_of::<PyBool>() {
        "bool"
    } else if value.is_instance_of::<PyInt>() {
        if value.lt(0).unwrap_or(true) {
            "long"
        } else {
            "unsigned long"
        }
    } else if value.is_instance_of::<PyFloat>() {
        "double"
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        "const char**"
    } else if value.is_instance_of::<PyDict>() {
        "object"
    } else {
        "const char*"
    }
}

fn json(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    if depth > MOST_NESTED {
        return Err(PyValueError::new_err(format!("data nested more than {MOST_NESTED} deep")));
    }
    if value.is_none() {
        out.extend_from_slice(b"null");
    } else if value.is_instance_of::<PyBool>() {
        out.extend_from_slice(if value.is_truthy()? { b"true" } else { b"false" });
    } else if let Some(bytes) = bytes_of(value)? {
        out.push(b'"');
        text::json(out, &bytes);
        out.push(b'"');
    } else if value.is_instance_of::<PyInt>() {
        // of an int's own class, what str says might be anything
        let number = value.call_method1("__format__", ("d",))?;
        out.extend_from_slice(number.cast::<PyString>()?.to_string_lossy().as_bytes());
    } else if let Ok(number) = value.cast::<PyFloat>() {
        let number = number.value();
        out.extend_from_slice(if number.is_finite() { number.to_string() } else { "null".into() }.as_bytes());
    } else if let Ok(dict) = value.cast::<PyDict>() {
        out.push(b'{');
        for (i, (key, value)) in dict.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b"\"" } else { b",\"" });
            let key = bytes_of(&key)?.ok_or_else(|| PyTypeError::new_err("a key of data must be text"))?;
            text::json(out, &key);
            out.extend_from_slice(b"\":");
            json(out, &value, depth + 1)?;
        }
        out.push(b'}');
    } else if let Ok(items) = value.try_iter() {
        out.push(b'[');
        for (i, item) in items.enumerate() {
            out.extend_from_slice(if i == 0 { b"" } else { b"," });
            json(out, &item?, depth + 1)?;
        }
        out.push(b']');
    } else {
        let got = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "data of type {got}: only text, numbers, bool, lists and dicts can be"
        )));
    }
    Ok(())
}

/// What JSON holds, as Python has it: texts as event.args has them.
pub fn from_json<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => py.None().into_bound(py),
        Json::Bool(b) => b.into_pyobject(py)?.to_owned().into_any(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (_, Some(number)) => number.into_pyobject(py)?.into_any(),
            _ => number.as_f64().into_pyobject(py)?,
        },
        Json::String(string) => text_of(py, string)?.into_any(),
        Json::Array(items) => {
            let items = items.iter().map(|item| from_json(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Json::Object(entries) => {
            let dict = PyDict::new(py);
            for (key, value) in entries {
                dict.set_item(text_of(py, key)?, from_json(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

fn text_of<'py>(py: Python<'py>, string: &str) -> PyResult<Bound<'py, PyString>> {
    match text::unescape(string) {
        Some(bytes) => crate::event::text(py, &bytes),
        None => Ok(PyString::new(py, string)),
    }
}
