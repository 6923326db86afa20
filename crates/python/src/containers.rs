//! Questions about containers on their way to Python, and the answers on their way back.

use std::collections::BTreeMap;
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded, Receiver, RecvTimeoutError, Sender};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tracee_core::containers::details::Details;
use tracee_core::containers::{Metadata, Question};
use tracee_kernel::{Answer, Enrichment, QUESTIONS};

/// The id, the runtime where it is known, the path of the cgroup.
pub type Asked = (String, Option<String>, String);

#[derive(Clone)]
pub struct Exchange {
    questions: Receiver<Question>,
    /// As many as there were questions.
    answers: Sender<Answer>,
}

impl Exchange {
    pub fn new() -> (Exchange, Enrichment) {
        let (ask, questions) = bounded(QUESTIONS);
        let (answers, answered) = unbounded();
        (Exchange { questions, answers }, Enrichment { questions: ask, answers: answered })
    }

    /// Those that are there, after waiting for the first; `None` when there will be none.
    pub fn questions(&self, wait: Duration) -> Option<Vec<Asked>> {
        let first = match self.questions.recv_timeout(wait) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        let all = std::iter::once(first).chain(self.questions.try_iter());
        Some(all.map(|q| (q.id, Some(q.runtime).filter(|runtime| !runtime.is_empty()), q.path)).collect())
    }

    pub fn answer(&self, id: String, metadata: Option<Metadata>) {
        // nobody takes it at the end
        let _ = self.answers.send((id, metadata));
    }
}

/// From the dict that Python gives; what is missing or None is not known.
pub fn metadata(from: &Bound<'_, PyDict>) -> PyResult<Metadata> {
    let text = |key: &str| -> PyResult<String> {
        let value = from.get_item(key)?.filter(|value| !value.is_none());
        value.map_or_else(|| Ok(String::new()), |value| Ok(value.cast::<PyString>()?.to_string_lossy().into_owned()))
    };
    let labels = from.get_item("labels")?.filter(|value| !value.is_none());
    let labels: BTreeMap<String, String> = labels.map_or_else(|| Ok(BTreeMap::new()), |value| value.extract())?;
    let sandbox = from.get_item("sandbox")?.filter(|value| !value.is_none());
    Ok(Metadata {
        name: text("name")?,
        image: text("image")?,
        image_digest: text("image_digest")?,
        labels: labels.into_iter().collect(),
        runtime: text("runtime")?,
        pod_name: text("pod_name")?,
        pod_namespace: text("pod_namespace")?,
        pod_uid: text("pod_uid")?,
        sandbox: sandbox.map_or(Ok(false), |value| value.extract())?,
    })
}

/// The objects `container` and `kubernetes`, with the same keys as in JSON; empty for the host.
pub fn objects<'py>(py: Python<'py>, details: Option<&Details>) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    let (container, kubernetes) = (PyDict::new(py), PyDict::new(py));
    let Some(details) = details else { return Ok((container, kubernetes)) };
    let known = &details.metadata;
    let texts = [
        ("id", &details.id),
        ("name", &known.name),
        ("image", &known.image),
        ("imageDigest", &known.image_digest),
        ("runtime", &known.runtime),
    ];
    for (key, text) in texts {
        container.set_item(key, text)?;
    }
    if !known.labels.is_empty() {
        let labels = PyDict::new(py);
        known.labels.iter().try_for_each(|(name, label)| labels.set_item(name, label))?;
        container.set_item("labels", labels)?;
    }
    let pod = [("podName", &known.pod_name), ("podNamespace", &known.pod_namespace), ("podUid", &known.pod_uid)];
    if pod.iter().any(|(_, text)| !text.is_empty()) {
        for (key, text) in pod {
            kubernetes.set_item(key, text)?;
        }
        kubernetes.set_item("sandbox", known.sandbox)?;
    }
    Ok((container, kubernetes))
}
