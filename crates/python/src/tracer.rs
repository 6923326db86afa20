//! A running tracer: the session, and the thread that reads it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, SendTimeoutError, Sender};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tracee_core::catalogue::EVENTS;
use tracee_core::handoff::{handoff, Taker};
use tracee_core::network::keeper::Keeper;
use tracee_core::pipeline::{Batch, Pipeline, Policies, Subscriber};
use tracee_core::plan::{Plan, PlanError};
use tracee_core::tasks::Processes;
use tracee_core::time::{since_boot, Clock};
use tracee_core::writer::Fate;
use tracee_kernel::{Allowed, Cost, Feed, Options, Progress, Session};

use crate::containers::{Asked, Exchange};
use crate::detections::{detections, Detections, Sending, Taken};
use crate::event::Event;
use crate::outputs::{duplicate, shown, Output, TemplateFailures, Told};
use crate::process::Process;
use crate::statistics;

create_exception!(
    tracee._core,
    KernelError,
    PyException,
    "The kernel refuses to trace: args are the message and whether a privilege is missing."
);

/// Batches on their way to Python.
const BATCHES: usize = 32;
/// Bytes on their way to the sinks.
const SINKS_ROOM: usize = 32 << 20;
/// Stands for a descriptor: what is written is taken by `blocks`.
const TO_SINKS: i32 = -1;
/// How long a destination that takes nothing holds up the end.
const PATIENCE: Duration = Duration::from_secs(3);
/// Python looks at its signals this often.
const SIGNALS: Duration = Duration::from_millis(50);

fn parse(plan: &str) -> PyResult<Plan> {
    serde_json::from_str(plan).map_err(|e| PyValueError::new_err(format!("plan: {e}")))
}

type Place = (usize, Option<usize>, Option<usize>, String);

/// What is wrong with a plan (JSON, see `tracee_core::plan`): policy, rule, predicate (indices, None where it is about
/// more than one) and message. Empty: nothing.
#[pyfunction]
pub fn check(plan: &str) -> PyResult<Vec<Place>> {
    let place = |e: PlanError| (e.policy, e.rule, e.predicate, e.message);
    Ok(parse(plan)?.compile().err().unwrap_or_default().into_iter().map(place).collect())
}

type Block<'py> = (Bound<'py, PyBytes>, u64, u64);

struct Ready {
    feed: Feed,
    policies: Policies,
}

struct Channel {
    batches: Sender<Batch>,
    progress: Arc<Progress>,
}

impl Subscriber for Channel {
    fn take(&mut self, mut batch: Batch) {
        // a reader that stopped asking holds nothing up once it said stop
        loop {
            match self.batches.send_timeout(batch, SIGNALS) {
                Err(SendTimeoutError::Timeout(back)) if !self.progress.stop.load(Ordering::Acquire) => batch = back,
                _ => return,
            }
        }
    }
}

/// Traces until stopped. Made: loaded and attached. Begun: recording.
#[pyclass(frozen, module = "tracee._core")]
pub struct Tracer {
    /// What is loaded and attached.
    session: Mutex<Option<Session>>,
    /// Until it begins.
    ready: Mutex<Option<Ready>>,
    progress: Arc<Progress>,
    reader: Mutex<Option<JoinHandle<Result<(), String>>>>,
    outputs: Mutex<Vec<Told>>,
    templates: Mutex<Vec<TemplateFailures>>,
    /// Of the programs, once the session has ended.
    costs: Mutex<Vec<Cost>>,
    batches: Mutex<Option<Receiver<Batch>>>,
    detections: Detections,
    /// Once it has begun.
    shown: Mutex<Option<(tracee_core::containers::Shown, tracee_core::network::Shown)>>,
    /// Until it begins.
    sending: Mutex<Option<Sending>>,
    containers: Mutex<Option<Exchange>>,
    /// Once it has begun; and the clock by which their times are told, so that each stays the same.
    processes: Mutex<Option<(Processes, Clock)>>,
    /// Whether events come with the ancestors of their process.
    process_tree: bool,
    blocks: Mutex<Option<Taker>>,
    #[pyo3(get)]
    notes: Vec<String>,
}

fn name(index: u16) -> &'static str {
    EVENTS[usize::from(index)].name
}

fn bad_plan(errors: Vec<PlanError>) -> PyErr {
    let lines: Vec<String> = errors.into_iter().map(|e| e.message).collect();
    PyValueError::new_err(lines.join("; "))
}

fn refused(error: tracee_kernel::Error) -> PyErr {
    KernelError::new_err((error.to_string(), error.is_permission()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Tracer {
    #[new]
    #[pyo3(signature = (plan, *, ring_pages = 1024, sampling = 100.0, exec_env = false, statistics = false,
        packet_bytes = 0, attach = "best", process_tree = true))]
    #[expect(clippy::too_many_arguments, reason = "Python's caller names them")]
    fn new(
        py: Python<'_>,
        plan: &str,
        ring_pages: u64,
        sampling: f64,
        exec_env: bool,
        statistics: bool,
        packet_bytes: u32,
        attach: &str,
        process_tree: bool,
    ) -> PyResult<Tracer> {
        let plan = parse(plan)?.compile().map_err(bad_plan)?;
        let allowed = Allowed::parse(attach).ok_or_else(|| PyValueError::new_err(format!("attach: {attach:?}")))?;
        let options = Options {
            ring_pages,
            sampling_percent: sampling,
            exec_env,
            process_tree,
            statistics,
            packet_bytes,
            allowed,
        };
        let (sending, detections) = detections();
        let (session, feed, policies) = py.detach(|| Session::new(plan, &options)).map_err(refused)?;
        Ok(Tracer {
            notes: session.notes.clone(),
            session: Mutex::new(Some(session)),
            ready: Mutex::new(Some(Ready { feed, policies })),
            progress: Arc::default(),
            reader: Mutex::new(None),
            outputs: Mutex::new(Vec::new()),
            templates: Mutex::new(Vec::new()),
            costs: Mutex::new(Vec::new()),
            batches: Mutex::new(None),
            detections,
            shown: Mutex::new(None),
            sending: Mutex::new(Some(sending)),
            containers: Mutex::new(None),
            processes: Mutex::new(None),
            process_tree,
            blocks: Mutex::new(None),
        })
    }

    /// Of programs that the kernel did not take: what it said.
    #[getter]
    fn refusals(&self) -> Vec<String> {
        lock(&self.session).as_ref().map(|session| session.refusals.clone()).unwrap_or_default()
    }

    /// By event: the way it is taken, what that misses, and why there is no better.
    #[getter]
    fn ways(&self) -> BTreeMap<&'static str, (String, &'static str, String)> {
        let session = lock(&self.session);
        let ways = session.iter().flat_map(|session| &session.chosen.ways);
        ways.map(|(index, (way, why))| (name(*index), (way.name(), way.misses, why.clone()))).collect()
    }

    /// By event: why it cannot be had.
    #[getter]
    fn unavailable(&self) -> BTreeMap<&'static str, String> {
        let session = lock(&self.session);
        let unavailable = session.iter().flat_map(|session| &session.chosen.unavailable);
        unavailable.map(|(index, why)| (name(*index), why.clone())).collect()
    }

    /// Puts another plan in the place of the one in use, while it traces. What both want is traced without a gap.
    ///
    /// Raises ValueError for a plan that is none, KernelError where the kernel refuses; all stays as it was then.
    fn replace(&self, py: Python<'_>, plan: &str) -> PyResult<()> {
        let plan = parse(plan)?;
        py.detach(|| {
            let mut session = lock(&self.session);
            let session = session.as_mut().ok_or_else(|| PyRuntimeError::new_err("the tracer has ended"))?;
            let compiled = plan.compile_after(Some(session.slots())).map_err(bad_plan)?;
            session.replace(compiled).map_err(refused)
        })
    }

    /// There will be somebody who takes `detections`; call before a plan with signatures is in use. `watches_processes`: who
    /// wants to know of each process that ends.
    fn attend(&self, watches_processes: bool) {
        self.detections.attend(watches_processes);
    }

    /// What signatures are to look at next, waiting up to `seconds`: events by the number of the signature, and signals
    /// (kind, pid, start time, container). Asking says that the last has been looked at. Empty where none came, None when
    /// there will be none.
    fn detections<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Taken<'py>>> {
        self.detections.next(py, Duration::from_secs_f64(seconds.clamp(0.0, 1e6)))
    }

    /// Tells what signature `number` has found in an event. Whether that is told on: not at the end, nor where too many
    /// findings led to it.
    ///
    /// Raises TypeError where a value does not fit its field.
    fn found(&self, py: Python<'_>, number: u16, event: &Event, data: &Bound<'_, PyDict>) -> PyResult<bool> {
        self.detections.found(py, number, event, data)
    }

    /// Events that signatures did not look at since they could not follow, by name.
    fn missed(&self) -> BTreeMap<&'static str, u64> {
        self.detections.missed()
    }

    /// Begins to record. `outputs`: as in `tracee.output.Opened`. `times`: `wall`, `relative` or `none`. `category`: outputs
    /// get events of that one alone. `ask`: there will be somebody who takes `container_questions`. `states`:
    /// folders of containerds that keep their state elsewhere than usual. `capture`: how packets are kept (JSON, see
    /// `tracee_core::network::capture`).
    #[pyo3(signature = (outputs, *, parse_arguments = false, times = "wall", category = None, exec_hash = false, subscribe = false, ask = false, states = Vec::new(), capture = None))]
    #[expect(clippy::too_many_arguments, reason = "Python's caller names them")]
    fn begin(
        &self,
        py: Python<'_>,
        outputs: Vec<Output>,
        parse_arguments: bool,
        times: &str,
        category: Option<String>,
        exec_hash: bool,
        subscribe: bool,
        ask: bool,
        states: Vec<PathBuf>,
        capture: Option<&str>,
    ) -> PyResult<()> {
        let Ready { mut feed, policies } =
            lock(&self.ready).take().ok_or_else(|| PyRuntimeError::new_err("the tracer has begun already"))?;
        let host = std::fs::metadata("/proc/1/ns/mnt").or_else(|_| std::fs::metadata("/proc/self/ns/mnt"));
        let mut pipeline = Pipeline::new(policies, host.map_or(0, |m| m.ino() as u32));
        if self.process_tree && (subscribe || outputs.iter().any(|output| output.format != "table")) {
            pipeline.show_ancestors();
        }
        *lock(&self.processes) = Some((pipeline.tasks.processes(), pipeline.clock));
        *lock(&self.shown) = Some((pipeline.containers.shown(), pipeline.shown_names()));
        let shown = shown(parse_arguments, times)?;
        if let Some(category) = category {
            pipeline.show_only(category);
        }
        if exec_hash {
            pipeline.hash_executables(tracee_kernel::begin_hashing().map_err(refused)?);
        }
        for output in outputs {
            let (mut format, failures) = output.formatter(shown)?;
            lock(&self.templates).extend(failures);
            if output.fd == TO_SINKS {
                let (handoff, taker) = handoff(SINKS_ROOM);
                *lock(&self.blocks) = Some(taker);
                pipeline.add_output(format, Box::new(handoff));
                continue;
            }
            let mut head = Vec::new();
            format.begin(&mut head);
            let (writer, told) = output.writer(head)?;
            lock(&self.outputs).push(told);
            pipeline.add_output(format, Box::new(writer));
        }
        if let Some(capture) = capture {
            let settings = serde_json::from_str(capture).map_err(|e| PyValueError::new_err(format!("capture: {e}")))?;
            pipeline.keep_packets(Keeper::new(settings).map_err(PyRuntimeError::new_err)?);
        }
        if subscribe {
            let (batches, receiver) = bounded(BATCHES);
            pipeline.set_subscriber(Box::new(Channel { batches, progress: self.progress.clone() }));
            *lock(&self.batches) = Some(receiver);
        }
        if let Some(sending) = lock(&self.sending).take() {
            pipeline.set_detector(Box::new(sending));
        }
        let enrichment = ask.then(|| {
            let (exchange, enrichment) = Exchange::new();
            *lock(&self.containers) = Some(exchange);
            enrichment
        });
        if let Some(wrong) = py.detach(|| feed.find_containers(&mut pipeline, &states, enrichment)) {
            self.progress.remark(wrong);
        }
        if let Err(error) = py.detach(|| tracee_kernel::prepare(&mut pipeline)) {
            self.progress.remark(format!("programs of what was there before are not known: {error}"));
        }
        lock(&self.session).iter().for_each(Session::begin);
        let progress = self.progress.clone();
        let thread = std::thread::Builder::new().name("tracee-reader".into());
        let reader = thread.spawn(move || {
            let result = tracee_kernel::run(&mut feed, &mut pipeline, &progress);
            pipeline.flush();
            result.map_err(|e| e.to_string())
        })?;
        *lock(&self.reader) = Some(reader);
        Ok(())
    }

    /// Asks the reader to end. Returns at once; `wait` or `finish` waits.
    fn stop(&self) {
        self.progress.stop.store(true, Ordering::Release);
    }

    /// Waits up to `seconds` for the tracer to end of itself, as it does when no output takes any more. Whether it did.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let end = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
        loop {
            py.check_signals()?;
            let closed = lock(&self.outputs).iter().any(|output| output.fate.is_closed());
            let ended = lock(&self.reader).as_ref().is_none_or(JoinHandle::is_finished);
            if closed || ended || self.progress.stop.load(Ordering::Acquire) {
                return Ok(true);
            }
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(false);
            }
            py.detach(|| std::thread::sleep(rest.min(SIGNALS)));
        }
    }

    /// Stops, writes out what is left, and waits for that.
    ///
    /// An output that takes nothing is given up after 3 seconds. Raises RuntimeError when an output failed.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.stop();
        *lock(&self.ready) = None;
        *lock(&self.sending) = None;
        let reader = lock(&self.reader).take();
        let ended = reader.map_or(Ok(()), |reader| self.end(py, reader));
        let session = lock(&self.session).take();
        if let Some(session) = &session {
            *lock(&self.costs) = session.costs();
        }
        py.detach(|| drop(session));
        ended
    }

    /// The next batch of events, waiting up to `seconds`; empty where none came, None when there will be none.
    fn batch(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<Vec<Event>>> {
        let receiver = lock(&self.batches).clone();
        let receiver = receiver.ok_or_else(|| PyRuntimeError::new_err("the tracer has no subscriber"))?;
        let end = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
        loop {
            py.check_signals()?;
            let rest = end.saturating_duration_since(Instant::now());
            match py.detach(|| receiver.recv_timeout(rest.min(SIGNALS))) {
                Ok(batch) => {
                    let batch = Arc::new(batch);
                    let event = |i| Event::new(batch.clone(), i);
                    return Ok(Some((0..batch.len()).map(event).collect()));
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if rest.is_zero() => return Ok(Some(Vec::new())),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Containers that runtimes are to be asked about: (id, runtime or None, path of the cgroup). Waits up to `seconds`;
    /// empty where none came, None when there will be none.
    fn container_questions(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<Vec<Asked>>> {
        let exchange = lock(&self.containers).clone();
        let exchange = exchange.ok_or_else(|| PyRuntimeError::new_err("the tracer asks nothing"))?;
        py.detach(|| Ok(exchange.questions(Duration::from_secs_f64(seconds.clamp(0.0, 1e6)))))
    }

    /// What a runtime tells of a container: a dict with any of name, image, image_digest, runtime, pod_name,
    /// pod_namespace, pod_uid (str) and sandbox (bool); None where no runtime knows it.
    #[pyo3(signature = (id, metadata))]
    fn container_answer(&self, id: String, metadata: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        if let Some(exchange) = &*lock(&self.containers) {
            exchange.answer(id, metadata.map(crate::containers::metadata).transpose()?);
        }
        Ok(())
    }

    /// The next block of the output -1: its text, how many events that is, and how many after it found no room.
    ///
    /// Waits up to `seconds` for the first event, then up to `linger` seconds for a full block; empty where nothing came,
    /// None when there will be no more. The reader does not wait for who takes them.
    fn blocks<'py>(&self, py: Python<'py>, seconds: f64, linger: f64) -> PyResult<Option<Block<'py>>> {
        let taker = lock(&self.blocks).clone();
        let taker = taker.ok_or_else(|| PyRuntimeError::new_err("the tracer has no output for sinks"))?;
        let [patience, linger] = [seconds, linger].map(|s| Duration::from_secs_f64(s.clamp(0.0, 1e6)));
        let taken = py.detach(|| taker.take(patience, linger));
        Ok(taken.map(|taken| (PyBytes::new(py, &taken.text), taken.events, taken.lost)))
    }

    /// Events lost so far, and when the first was (ns since 1970, 0: none was).
    fn losses(&self) -> (u64, u64) {
        let since = self.progress.lost_since.load(Ordering::Acquire);
        (self.progress.lost.load(Ordering::Acquire), since)
    }

    /// What was passed over since the last call: a line each, for who debugs.
    fn remarks(&self) -> Vec<String> {
        self.progress.remarks()
    }

    /// A process by its pid on the host, as the tree has it now: the last one of that pid, or the one that began at
    /// `start_time` (ns since 1970). None where it is not known. Any thread may ask, also after the end.
    #[pyo3(signature = (pid, start_time = None))]
    fn process(&self, py: Python<'_>, pid: u32, start_time: Option<u64>) -> Option<Process> {
        let (processes, clock) = lock(&self.processes).clone()?;
        let start = start_time.map(|time| time.wrapping_add_signed(clock.offset.wrapping_neg()));
        py.detach(|| processes.get(pid, start)).map(|known| Process::new(known, clock))
    }

    /// What is known of a container by its id, as the event's `container`; None where nothing is. From any thread.
    fn container<'py>(&self, py: Python<'py>, id: String) -> PyResult<Option<Bound<'py, PyDict>>> {
        let known = lock(&self.shown).as_ref().and_then(|(containers, _)| containers.get(&id));
        known.map(|details| crate::containers::objects(py, Some(&*details)).map(|(container, _)| container)).transpose()
    }

    /// The last name that was asked of DNS in the host's network of which the address was an answer, while it holds.
    fn domain(&self, address: &str) -> Option<String> {
        let address = address.parse().ok()?;
        let host = std::fs::metadata("/proc/1/ns/net").or_else(|_| std::fs::metadata("/proc/self/ns/net"));
        let host = host.ok()?.ino() as u32;
        let known = lock(&self.shown).as_ref().and_then(|(_, names)| names.get(&(host, address)));
        let (name, until) = known?;
        (since_boot() < until).then(|| tracee_core::text::escape(&name))
    }

    /// What went wrong with files of packets since the last call.
    fn capture_problems(&self) -> Vec<String> {
        self.progress.capture_problems()
    }

    /// Output number `index`, of those with a descriptor, goes on in another file; the descriptor is duplicated.
    fn reopen(&self, index: usize, fd: i32) -> PyResult<()> {
        let file = File::from(duplicate(fd)?);
        let outputs = lock(&self.outputs);
        let output = outputs.get(index).ok_or_else(|| PyValueError::new_err(format!("no output {index}")))?;
        output.fate.replace(file);
        Ok(())
    }

    /// What did not go well with outputs since the last call: a line each.
    fn output_problems(&self) -> Vec<String> {
        let moved = lock(&self.outputs).iter().filter_map(|output| output.fate.remark()).collect::<Vec<_>>();
        let failed = lock(&self.templates)
            .iter()
            .filter_map(|(file, failures)| {
                let (count, error) = failures.take()?;
                Some(format!("{file}: {error}, for {count} events"))
            })
            .collect::<Vec<_>>();
        [moved, failed].concat()
    }

    /// Events and losses by name, queues of outputs, and CPU time by stage: nested dicts. While the tracer runs, or after.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let costs = statistics::costs(&lock(&self.session), &lock(&self.costs));
        statistics::statistics(py, &self.progress, &lock(&self.outputs), &costs)
    }

    /// Counters, by name.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counters, totals) = self.progress.counters();
        let dict = PyDict::new(py);
        dict.set_item("sent", totals.sent)?;
        dict.set_item("lost", totals.lost)?;
        dict.set_item("controlLost", totals.control_lost)?;
        if let Some((processes, forgotten)) = lock(&self.processes).as_ref().map(|(processes, _)| processes.counts()) {
            dict.set_item("processes", processes)?;
            dict.set_item("processesForgotten", forgotten)?;
        }
        dict.set_item("read", counters.read)?;
        dict.set_item("matched", counters.matched)?;
        dict.set_item("malformed", counters.malformed)?;
        dict.set_item("bytesWritten", counters.bytes)?;
        dict.set_item("findings", counters.findings)?;
        dict.set_item("findingsTooDeep", counters.findings_too_deep)?;
        dict.set_item("findingsLost", self.detections.findings_lost())?;
        dict.set_item("undetected", self.detections.missed().values().sum::<u64>())?;
        dict.set_item("containersUnnamed", counters.containers_unnamed)?;
        dict.set_item("containersLeftOut", counters.containers_left_out)?;
        let kept = self.progress.kept_packets();
        dict.set_item("packetsKept", kept.packets)?;
        dict.set_item("packetsNotKept", kept.lost_packets)?;
        Ok(dict)
    }
}

impl Tracer {
    /// Waits for the reader, and says what went wrong with it or with an output.
    fn end(&self, py: Python<'_>, reader: JoinHandle<Result<(), String>>) -> PyResult<()> {
        let fates: Vec<Fate> = lock(&self.outputs).iter().map(|output| output.fate.clone()).collect();
        let (result, given_up) = py.detach(|| {
            let end = Instant::now() + PATIENCE;
            while !reader.is_finished() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            let given_up = !reader.is_finished();
            if given_up {
                fates.iter().for_each(Fate::abandon);
            }
            (reader.join(), given_up)
        });
        match result {
            Err(_) => return Err(PyRuntimeError::new_err("the reader panicked")),
            Ok(Err(message)) => return Err(PyRuntimeError::new_err(message)),
            Ok(Ok(())) => {}
        }
        if let Some(error) = fates.iter().find_map(Fate::error) {
            return Err(PyRuntimeError::new_err(error));
        }
        if given_up {
            return Err(PyRuntimeError::new_err("an output takes nothing: what it had not taken is lost"));
        }
        Ok(())
    }
}
