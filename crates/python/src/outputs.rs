//! Outputs as Python describes them, and what is asked of them while they are written.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tracee_core::destination::{Destination, Rotation};
use tracee_core::format::json::Json;
use tracee_core::format::table::Table;
use tracee_core::format::template::{self, Failures, GoTemplate};
use tracee_core::format::{Format, Shown, Times};
use tracee_core::time::since_boot;
use tracee_core::writer::{Fate, Writer};

/// An output: `tracee.output.Opened`.
#[derive(FromPyObject)]
pub struct Output {
    pub format: String,
    /// Duplicated. -1: what is written is taken by `blocks`.
    pub fd: i32,
    /// Of the terminal.
    width: Option<usize>,
    /// The text of the template, and its file's name.
    template: Option<(String, String)>,
    rotation: Option<Turning>,
}

/// When a file is moved aside: `tracee.output.Turning`.
#[derive(FromPyObject)]
struct Turning {
    folder: i32,
    name: OsString,
    size: Option<u64>,
    seconds: Option<f64>,
    keep: u32,
}

/// How all outputs show events: `times` is `wall`, `relative` or `none`.
pub fn shown(parse_arguments: bool, times: &str) -> PyResult<Shown> {
    let times = match times {
        "wall" => Times::Wall,
        "relative" => Times::Since(since_boot()),
        "none" => Times::None,
        other => return Err(PyValueError::new_err(format!("times: {other:?}"))),
    };
    Ok(Shown { parse_arguments, times })
}

/// A writer with what is told of it.
pub struct Told {
    /// The file's, or what stands for it.
    pub name: String,
    pub format: String,
    pub fate: Fate,
}

/// Of a template: the name of its file, and what went wrong with it.
pub type TemplateFailures = (String, Failures);

impl Output {
    /// Its format, and for a template where its failures stand.
    pub fn formatter(&self, shown: Shown) -> PyResult<(Box<dyn Format>, Option<TemplateFailures>)> {
        Ok(match (self.format.as_str(), &self.template) {
            ("json", _) => (Box::new(Json::new(shown)), None),
            ("table", _) => (Box::new(Table::new(self.width, shown)), None),
            ("gotemplate", Some((text, file))) => {
                let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
                let made = GoTemplate::new(text, shown, host.trim_end().to_owned());
                let (format, failures) = made.map_err(|e| PyValueError::new_err(format!("{file}: {e}")))?;
                (Box::new(format), Some((file.clone(), failures)))
            }
            (other, _) => return Err(PyValueError::new_err(format!("unknown format {other:?}"))),
        })
    }

    /// Begins to write to its descriptor. `head`: what each of its files begins with.
    pub fn writer(&self, head: Vec<u8>) -> PyResult<(Writer, Told)> {
        let file = File::from(duplicate(self.fd)?);
        let name = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let name = name.map_or_else(|_| "output".into(), |path| path.display().to_string());
        let rotation = self.rotation.as_ref().map(Turning::rotation).transpose()?;
        let (writer, fate) = Writer::start(name.clone(), Destination::new(file, head, rotation)?)?;
        Ok((writer, Told { name, format: self.format.clone(), fate }))
    }
}

impl Turning {
    fn rotation(&self) -> PyResult<Rotation> {
        Ok(Rotation {
            folder: duplicate(self.folder)?,
            name: self.name.clone(),
            size: self.size,
            age: self.seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e10))),
            keep: self.keep,
        })
    }
}

/// A descriptor of our own for the same file.
pub fn duplicate(fd: i32) -> PyResult<OwnedFd> {
    if fd < 0 {
        return Err(PyValueError::new_err(format!("{fd} is no descriptor")));
    }
    // SAFETY: only duplicated here, while the caller holds it open
    Ok(unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?)
}

/// What is wrong with a template: its line (from 1) and a message; None: nothing.
#[pyfunction]
pub fn check_template(text: &str) -> Option<(usize, String)> {
    template::check(text).err().map(|error| (error.line, error.message))
}
