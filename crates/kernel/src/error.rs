//! What was being done, and what the system said.

use std::fmt;
use std::io::ErrorKind;

pub type Result<T> = std::result::Result<T, Error>;

/// An error of the system, with what was being done.
#[derive(Debug)]
pub struct Error {
    what: String,
    kind: ErrorKind,
    detail: String,
}

impl Error {
    pub fn new(what: impl Into<String>, kind: ErrorKind, detail: impl Into<String>) -> Error {
        Error { what: what.into(), kind, detail: detail.into() }
    }

    /// The system said no: root, CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN would be needed.
    pub fn is_permission(&self) -> bool {
        self.kind == ErrorKind::PermissionDenied
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.detail)
    }
}

impl std::error::Error for Error {}

/// An error of the system in words alone, without its number.
pub fn strerror(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Adds to an error what was being done.
pub trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|e| Error::new(what, e.kind(), e.to_string()))
    }
}

impl<T> Doing<T> for libbpf_rs::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|e| {
            let denied = e.kind() == libbpf_rs::ErrorKind::PermissionDenied;
            Error::new(what, if denied { ErrorKind::PermissionDenied } else { ErrorKind::Other }, e.to_string())
        })
    }
}
