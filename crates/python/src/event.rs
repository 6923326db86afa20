//! An event as a Python object: a place in a batch, read when asked.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use tracee_core::event::Event as CoreEvent;
use tracee_core::format::json::Json;
use tracee_core::format::{Format, Shown};
use tracee_core::pipeline::{Batch, Member};
use tracee_core::tree::{Node, Tree};
use tracee_core::value::{SockAddr, Text, Timespec, Value};

/// One event. Fields are decoded when they are read.
#[pyclass(frozen, module = "tracee._core")]
pub struct Event {
    batch: Arc<Batch>,
    index: usize,
    args: PyOnceLock<Py<PyDict>>,
}

impl Event {
    pub fn new(batch: Arc<Batch>, index: usize) -> Event {
        Event { batch, index, args: PyOnceLock::new() }
    }

    pub fn parts(&self) -> PyResult<Member<'_>> {
        self.batch.get(self.index).ok_or_else(|| PyValueError::new_err("no such event in the batch"))
    }

    fn with<T>(&self, take: impl FnOnce(&CoreEvent<'_>) -> T) -> PyResult<T> {
        self.parts().map(|member| take(&member.event))
    }
}

#[pymethods]
impl Event {
    #[getter]
    fn name(&self) -> PyResult<&'static str> {
        self.with(|e| e.name())
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let info = self.with(|e| e.info)?;
        Ok(match info.detection {
            Some(detection) => PyString::new(py, detection.id).into_any(),
            None => info.id.into_pyobject(py)?.into_any(),
        })
    }

    /// Of a finding: what is told of its signature, as in JSON.
    #[getter]
    fn detection<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(detection) = self.with(|e| e.info.detection)? else { return Ok(None) };
        let object = serde_json::from_str(detection.json).map_err(|e| PyValueError::new_err(e.to_string()))?;
        crate::detections::from_json(py, &object).map(Some)
    }

    /// Of a finding: the event that led to it.
    #[getter]
    fn triggered_by(&self) -> Option<Event> {
        self.batch.trigger(self.index).map(|batch| Event::new(Arc::new(batch), 0))
    }

    #[getter]
    fn timestamp(&self) -> PyResult<u64> {
        self.with(|e| self.batch.clock.wall(e.head.time))
    }

    #[getter]
    fn thread_start_time(&self) -> PyResult<u64> {
        self.with(|e| self.batch.clock.wall(e.head.task.start_time))
    }

    #[getter]
    fn processor_id(&self) -> PyResult<u16> {
        self.with(|e| e.head.cpu)
    }

    #[getter]
    fn pid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.pid)
    }

    #[getter]
    fn tid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.tid)
    }

    #[getter]
    fn ppid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.ppid)
    }

    #[getter]
    fn host_pid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.host_pid)
    }

    #[getter]
    fn host_tid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.host_tid)
    }

    #[getter]
    fn host_ppid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.host_ppid)
    }

    #[getter]
    fn uid(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.uid)
    }

    #[getter]
    fn mount_namespace(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.mount_ns)
    }

    #[getter]
    fn pid_namespace(&self) -> PyResult<u32> {
        self.with(|e| e.head.task.pid_ns)
    }

    #[getter]
    fn cgroup_id(&self) -> PyResult<u64> {
        self.with(|e| e.head.task.cgroup_id)
    }

    #[getter]
    fn compat(&self) -> PyResult<bool> {
        self.with(|e| e.is_compat())
    }

    #[getter]
    fn return_value(&self) -> PyResult<i64> {
        self.with(|e| e.head.ret)
    }

    #[getter]
    fn process_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.with(|e| text(py, e.head.task.comm()))?
    }

    #[getter]
    fn executable<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.parts()?.executable.map(|executable| text(py, &executable.path)).transpose()
    }

    /// As in JSON: id, name, image, imageDigest, runtime; empty for a task of the host.
    #[getter]
    fn container<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        crate::containers::objects(py, self.parts()?.container.map(|details| &**details))
            .map(|(container, _)| container)
    }

    /// As in JSON: podName, podNamespace, podUid, sandbox; empty outside of pods.
    #[getter]
    fn kubernetes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        crate::containers::objects(py, self.parts()?.container.map(|details| &**details)).map(|(_, pod)| pod)
    }

    /// Host pids, the oldest first and the parent last; empty without the tree of processes.
    #[getter]
    fn ancestors(&self) -> PyResult<Vec<u32>> {
        Ok(self.parts()?.lineage.map(|lineage| lineage.pids.to_vec()).unwrap_or_default())
    }

    #[getter]
    fn policies(&self) -> PyResult<Vec<&str>> {
        let Member { matched, policies, .. } = self.parts()?;
        let named = policies.names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        Ok(named.filter(|(i, _)| matched >> i & 1 != 0).map(|(_, name)| name.as_str()).collect())
    }

    #[getter]
    fn args<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let made = self.args.get_or_try_init(py, || {
            let Member { event, .. } = self.parts()?;
            let dict = PyDict::new(py);
            for (i, arg) in event.info.args.iter().enumerate() {
                dict.set_item(arg.name, value(py, event.value(i))?)?;
            }
            for (name, value) in event.beyond_values() {
                dict.set_item(name, crate::detections::from_json(py, &value)?)?;
            }
            PyResult::Ok(dict.unbind())
        })?;
        Ok(made.bind(py).clone())
    }

    /// Paths of the files behind descriptor arguments, by argument, as far as they were looked up.
    #[getter]
    fn paths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Member { event, .. } = self.parts()?;
        let dict = PyDict::new(py);
        for (i, arg) in event.info.args.iter().enumerate() {
            if let Some(file) = event.file(i) {
                dict.set_item(arg.name, text(py, &file.whole())?)?;
            }
        }
        Ok(dict)
    }

    /// The event as the one line of JSON that `--output json` prints.
    #[pyo3(signature = (*, parse_arguments = false))]
    fn to_json(&self, parse_arguments: bool) -> PyResult<String> {
        let member = self.parts()?;
        let context = member.context(self.batch.clock, self.batch.host_mount_ns);
        let mut line = Vec::new();
        Json::new(Shown { parse_arguments, ..Shown::default() }).write(&mut line, &member.event, &context);
        line.pop();
        String::from_utf8(line).map_err(|e| PyValueError::new_err(e.to_string()))
    }

    fn __repr__(&self) -> PyResult<String> {
        self.with(|e| format!("<Event {} pid={} return_value={}>", e.name(), e.head.task.pid, e.head.ret))
    }
}

/// The bytes that stand for text of an event: undoes `\xNN` and `\\`.
#[pyfunction]
pub fn unescape<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyBytes>> {
    match tracee_core::text::unescape(text) {
        Some(bytes) => Ok(PyBytes::new(py, &bytes)),
        None => Err(PyValueError::new_err(format!("{text:?} is not text of an event: a \\ must be \\\\ or \\xNN"))),
    }
}

/// As Python holds file names: what is not UTF-8 becomes surrogates, which os.fsencode turns back.
pub fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    PyString::from_encoded_object(&PyBytes::new(py, bytes), Some(c"utf-8"), Some(c"surrogateescape"))
}

fn whole<'py>(py: Python<'py>, value: &Text) -> PyResult<Bound<'py, PyString>> {
    text(py, &value.whole())
}

fn seconds(time: Timespec) -> f64 {
    time.seconds as f64 + time.nanoseconds as f64 / 1e9
}

fn value<'py>(py: Python<'py>, value: Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(b) => b.into_pyobject(py)?.to_owned().into_any(),
        Value::Int(i) => i.into_pyobject(py)?.into_any(),
        Value::Uint(u) | Value::Pointer(u) => u.into_pyobject(py)?.into_any(),
        Value::Text(value) => whole(py, &value)?.into_any(),
        Value::List(list) => {
            let items = list.iter().map(|item| text(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Timespec(time) => seconds(time).into_pyobject(py)?.into_any(),
        Value::TimespecPair([a, b]) => (seconds(a), seconds(b)).into_pyobject(py)?.into_any(),
        Value::FdPair([a, b]) => (a, b).into_pyobject(py)?.into_any(),
        Value::SockAddr(address) => sockaddr(py, address)?.into_any(),
        Value::Cred(cred) => {
            let dict = PyDict::new(py);
            for (name, number) in cred.numbers().chain(cred.capabilities()) {
                dict.set_item(name, number)?;
            }
            dict.into_any()
        }
        Value::Numbers(numbers) => PyList::new(py, numbers.iter())?.into_any(),
        Value::Symbols(symbols) => {
            let list = PyList::empty(py);
            for symbol in symbols.iter() {
                let dict = PyDict::new(py);
                dict.set_item("name", text(py, symbol.name)?)?;
                dict.set_item("symbol", text(py, symbol.symbol)?)?;
                dict.set_item("owner", text(py, symbol.owner)?)?;
                list.append(dict)?;
            }
            list.into_any()
        }
        Value::Address(address) => address.to_string().into_pyobject(py)?.into_any(),
        Value::Bytes(value) => PyBytes::new(py, value.bytes).into_any(),
        Value::Tree(value) => tree(py, &value)?,
    })
}

/// Structs and maps become dicts; fields that a struct lacks are left out.
fn tree<'py>(py: Python<'py>, value: &Tree<'_>) -> PyResult<Bound<'py, PyAny>> {
    let dict = PyDict::new(py);
    Ok(match value.node() {
        Node::Null => py.None().into_bound(py),
        Node::Number(number) => number.into_pyobject(py)?.into_any(),
        Node::Text(bytes) => text(py, bytes)?.into_any(),
        Node::Address(address) => address.to_string().into_pyobject(py)?.into_any(),
        Node::Struct(parts) => {
            for (field, value) in parts.fields().filter(|(_, value)| value.node() != Node::Null) {
                dict.set_item(field.name, tree(py, &value)?)?;
            }
            dict.into_any()
        }
        Node::List(parts) => {
            let items = parts.items().map(|item| tree(py, &item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Node::Map(parts) => {
            for (key, value) in parts.entries() {
                dict.set_item(text(py, key)?, tree(py, &value)?)?;
            }
            dict.into_any()
        }
    })
}

/// The same keys as in JSON.
fn sockaddr<'py>(py: Python<'py>, address: SockAddr<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match address {
        SockAddr::Inet { address, port } => {
            dict.set_item("sa_family", "AF_INET")?;
            dict.set_item("sin_addr", address.to_string())?;
            dict.set_item("sin_port", port)?;
        }
        SockAddr::Inet6 { address, port, flow, scope } => {
            dict.set_item("sa_family", "AF_INET6")?;
            dict.set_item("sin6_addr", address.to_string())?;
            dict.set_item("sin6_port", port)?;
            dict.set_item("sin6_flowinfo", flow)?;
            dict.set_item("sin6_scope_id", scope)?;
        }
        SockAddr::Unix { abstract_name, path } => {
            dict.set_item("sa_family", "AF_UNIX")?;
            let path = if abstract_name { [b"@", path].concat() } else { path.to_vec() };
            dict.set_item("sun_path", text(py, &path)?)?;
        }
        SockAddr::Netlink { pid, groups } => {
            dict.set_item("sa_family", "AF_NETLINK")?;
            dict.set_item("nl_pid", pid)?;
            dict.set_item("nl_groups", groups)?;
        }
        SockAddr::Packet { protocol, interface } => {
            dict.set_item("sa_family", "AF_PACKET")?;
            dict.set_item("sll_protocol", protocol)?;
            dict.set_item("sll_ifindex", interface)?;
        }
        SockAddr::Vsock { cid, port } => {
            dict.set_item("sa_family", "AF_VSOCK")?;
            dict.set_item("svm_cid", cid)?;
            dict.set_item("svm_port", port)?;
        }
        SockAddr::Other { family, bytes } => {
            dict.set_item("sa_family", family)?;
            dict.set_item("sa_data", PyBytes::new(py, bytes))?;
        }
    }
    Ok(dict)
}
