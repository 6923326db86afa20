//! A process of the tree, as a Python object.

use pyo3::prelude::*;
use pyo3::types::PyString;
use tracee_core::tasks::{Id, Known};
use tracee_core::time::Clock;

use crate::event::text;

/// A process as it was when it was looked up.
#[pyclass(frozen, module = "tracee._core")]
pub struct Process {
    known: Known,
    clock: Clock,
}

impl Process {
    pub fn new(known: Known, clock: Clock) -> Process {
        Process { known, clock }
    }

    fn outside(&self, id: Id) -> (u32, Option<u64>) {
        (id.pid, (id.start != 0).then(|| self.clock.wall(id.start)))
    }

    fn status(&self) -> Option<u32> {
        self.known.end()?.status
    }
}

#[pymethods]
impl Process {
    #[getter]
    fn pid(&self) -> u32 {
        self.known.process.id.pid
    }

    #[getter]
    fn start_time(&self) -> u64 {
        self.clock.wall(self.known.process.id.start)
    }

    #[getter]
    fn ns_pid(&self) -> u32 {
        self.known.process.ns_pid
    }

    #[getter]
    fn pid_namespace(&self) -> Option<u32> {
        Some(self.known.process.pid_ns).filter(|inode| *inode != 0)
    }

    #[getter]
    fn ppid(&self) -> Option<u32> {
        self.known.parent.map(|parent| parent.pid)
    }

    #[getter]
    fn parent(&self) -> Option<(u32, Option<u64>)> {
        self.known.parent.map(|parent| self.outside(parent))
    }

    #[getter]
    fn forked_by(&self) -> Option<(u32, Option<u64>)> {
        self.known.forked_by.map(|by| self.outside(by))
    }

    #[getter]
    fn ancestors(&self) -> Vec<u32> {
        self.known.lineage.pids.to_vec()
    }

    #[getter]
    fn ancestors_cut(&self) -> bool {
        self.known.lineage.cut
    }

    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let comm = &self.known.process.comm;
        text(py, comm.split(|byte| *byte == 0).next().unwrap_or_default())
    }

    #[getter]
    fn uid(&self) -> u32 {
        self.known.process.uid
    }

    #[getter]
    fn executable<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.known.image().map(|image| text(py, &image.path)).transpose()
    }

    #[getter]
    fn cwd<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let image = self.known.image().filter(|image| !image.cwd.is_empty());
        image.map(|image| text(py, &image.cwd)).transpose()
    }

    #[getter]
    fn argv<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyString>>> {
        let arguments = self.known.image().into_iter().flat_map(|image| image.arguments());
        arguments.map(|argument| text(py, argument)).collect()
    }

    #[getter]
    fn argv_cut(&self) -> bool {
        self.known.image().is_some_and(|image| image.argv_cut)
    }

    #[getter]
    fn execs(&self) -> u32 {
        self.known.process.execs
    }

    #[getter]
    fn ended(&self) -> bool {
        self.known.end().is_some()
    }

    #[getter]
    fn end_time(&self) -> Option<u64> {
        let end = self.known.end().filter(|end| end.time != 0)?;
        Some(self.clock.wall(end.time))
    }

    #[getter]
    fn exit_code(&self) -> Option<u32> {
        self.status().filter(|status| status & 0x7f == 0).map(|status| status >> 8 & 0xff)
    }

    #[getter]
    fn exit_signal(&self) -> Option<u32> {
        self.status().map(|status| status & 0x7f).filter(|signal| *signal != 0)
    }

    fn __repr__(&self) -> String {
        let process = &self.known.process;
        let end = process.comm.iter().position(|byte| *byte == 0).unwrap_or(process.comm.len());
        format!("<Process {} {}>", process.id.pid, tracee_core::text::escape(&process.comm[..end]))
    }
}
