//! The kernel and core must agree: a policy matches an event by both together exactly where it does by core alone.
//! Thousands of generated policies on events that this machine has just recorded. Needs root.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use proptest::prelude::*;
use proptest::sample::{select, Index};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tracee_core::catalogue::{FamilyKind, Kind, Names, FAMILIES};
use tracee_core::containers::{Containers, Metadata, Subject};
use tracee_core::event::Event;
use tracee_core::pipeline::{Batch, Pipeline, Subscriber};
use tracee_core::plan::{Compiled, Plan};
use tracee_core::record::{chunks, flags, Head, Owned};
use tracee_core::value::Value;
use tracee_kernel::{run, Judge, Options, Progress, Session};

const PLANS: u32 = 1500;
/// So many records of one kind are enough.
const OF_A_KIND: usize = 40;
const EVENTS: [&str; 16] = [
    "openat",
    "close",
    "read",
    "mmap",
    "execve",
    "execveat",
    "fcntl",
    "newfstatat",
    "wait4",
    "exit_group",
    "access",
    "sched_process_exec",
    "sched_process_exit",
    "security_file_open",
    "security_inode_unlink",
    "unlinkat",
];

#[derive(Default, Clone)]
struct Recorder(Arc<Mutex<Vec<Owned>>>);

impl Subscriber for Recorder {
    fn take(&mut self, batch: Batch) {
        let mut all = self.0.lock().expect("nobody panicked");
        for index in 0..batch.len() {
            let bytes = batch.record(index).expect("a record of the batch");
            let (head, _) = tracee_core::record::split(bytes).expect("a head");
            let mut record = Owned::new(head);
            for chunk in chunks(&bytes[size_of::<Head>()..]) {
                record.push_chunk(chunk.bytes, chunk.flags);
            }
            all.push(record);
        }
    }
}

fn plan(policies: serde_json::Value) -> Plan {
    serde_json::from_value(serde_json::json!({"policies": policies})).expect("a plan")
}

/// What programs do here, as it comes from the rings.
fn recorded() -> &'static [Owned] {
    static RECORDS: OnceLock<Vec<Owned>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let rules: Vec<_> = EVENTS.iter().map(|event| serde_json::json!({"event": event})).collect();
        let compiled = plan(serde_json::json!([{"rules": rules}])).compile().expect("a good plan");
        let (session, mut feed, policies) =
            Session::new(compiled, &Options::default()).expect("tracing: this test needs root");
        let recorder = Recorder::default();
        let mut pipeline = Pipeline::new(policies, 0);
        pipeline.set_subscriber(Box::new(recorder.clone()));
        let progress = Progress::default();
        session.begin();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                run(&mut feed, &mut pipeline, &progress).expect("the reader");
                pipeline.flush();
            });
            let script = "cd /tmp; ls -l / /etc /nope; cat /etc/passwd; touch t-$$; rm t-$$; (exit 3); /nope";
            let done = Command::new("/bin/sh").args(["-c", script]).output().expect("a shell");
            assert!(!done.stdout.is_empty());
            progress.stop.store(true, Ordering::Release);
            reader.join().expect("the reader");
        });
        let mut kinds: BTreeMap<u16, usize> = BTreeMap::new();
        let mut records = std::mem::take(&mut *recorder.0.lock().expect("nobody panicked"));
        records.retain(|record| {
            let count = kinds.entry(read(record).head.event).or_default();
            *count += 1;
            *count <= OF_A_KIND
        });
        assert!(records.len() > 100, "{} records", records.len());
        records
    })
}

fn read(record: &Owned) -> Event<'_> {
    Event::read(record.as_bytes()).expect("a record of the catalogue")
}

/// A text that may match `text`, or nearly.
fn pattern(text: &str, shape: u8, cut: usize) -> String {
    let cut = text.char_indices().map(|(at, _)| at).nth(cut % text.chars().count().max(1)).unwrap_or(0);
    match shape {
        0 => text.to_owned(),
        1 => format!("{}*", &text[..cut]),
        2 => format!("*{}", &text[cut..]),
        3 => format!("*{}*", &text[cut..]),
        4 => format!("{}*{}", &text[..cut], &text[cut..]),
        _ => format!("{text}x"),
    }
}

/// A word for a field, made from what an event has there.
fn word(event: &Event, index: Option<usize>, by: Variation) -> Option<String> {
    let (shape, cut, near) = by;
    let value = index.map_or(Value::Int(event.head.ret), |i| event.value(i));
    let number = match value {
        Value::Text(text) => return Some(pattern(&String::from_utf8_lossy(&text.whole()), shape % 6, cut)),
        Value::List(list) => return list.iter().next().map(|i| String::from_utf8_lossy(i).into_owned()),
        Value::Bool(b) => return Some(b.to_string()),
        Value::Int(i) => i128::from(i),
        Value::Uint(u) | Value::Pointer(u) => u.into(),
        _ => return None,
    };
    let names = index.map(|i| &event.info.args[i].names);
    if let (Some(Names::Family(family)), true) = (names, shape < 3) {
        let family = &FAMILIES[usize::from(*family)];
        let fits = family.kind != FamilyKind::Enum || shape == 0;
        return (fits && !family.values.is_empty()).then(|| family.values[cut % family.values.len()].0.to_owned());
    }
    Some((number + i128::from(near)).to_string())
}

fn fields(event: &Event) -> Vec<(String, Option<usize>, bool)> {
    let textual = |kind| matches!(kind, Kind::String | Kind::StringList);
    let args = event.info.args.iter().enumerate();
    let args = args.map(|(i, a)| (format!("data.{}", a.name), Some(i), textual(a.kind)));
    args.chain([("retval".to_owned(), None, false)]).collect()
}

/// Of a value: its shape, where it is cut, how near a number is.
type Variation = (u8, usize, i64);
/// An operator and the words it takes one of.
type Condition = (usize, Vec<Variation>);

#[derive(Debug, Clone)]
struct Draft {
    /// Of the record that its event and its values are taken from.
    record: Index,
    /// By field.
    filters: Vec<(Index, Condition)>,
    /// A condition on the task, where all slots are taken.
    comm: Option<bool>,
    /// Of [`CONTAINER_WORDS`].
    container: Option<usize>,
}

const CONTAINER_WORDS: [(&str, &str, &str); 12] = [
    ("container", "", ""),
    ("not-container", "", ""),
    ("container", "=", "aaaa"),
    ("container", "!=", "bb*"),
    ("containerName", "=", "web"),
    ("containerName", "!=", "web"),
    ("containerImage", "=", "nginx"),
    ("containerImage", "!=", "docker.io/library/*"),
    ("podName", "=", "nginx-*"),
    ("podNamespace", "!=", "production"),
    ("podUid", "=", "0123456789abcdef0123456789abcdef"),
    ("podUid", "!=", "0*"),
];
/// A host's, three of containers: known, asked about, unknown to every runtime; and a host's that was made a moment ago.
const CGROUPS: [u64; 5] = [1000, 1001, 1002, 1003, 1004];

fn condition(index: usize) -> serde_json::Value {
    let (field, op, word) = CONTAINER_WORDS[index];
    let values: Vec<&str> = [word].into_iter().filter(|word| !word.is_empty()).collect();
    serde_json::json!({"field": field, "op": op, "values": values})
}

/// The containers of [`CGROUPS`], as the plan of a bank sees them.
fn containers(compiled: &Compiled, bank: u32) -> Containers {
    let mut containers = Containers::default();
    containers.ask();
    containers.set_conditions(bank as usize, &compiled.filter.containers);
    let id = |digit: &str| digit.repeat(64);
    containers.made(CGROUPS[1], format!("/docker/{}", id("a")).as_bytes(), 1);
    let pod = "/kubepods/burstable/pod0123456789abcdef0123456789abcdef";
    containers.made(CGROUPS[2], format!("{pod}/{}", id("b")).as_bytes(), 1);
    containers.made(CGROUPS[3], format!("/docker/{}", id("c")).as_bytes(), 1);
    let metadata = Metadata {
        name: "web".into(),
        image: "docker.io/library/nginx:latest".into(),
        pod_name: "nginx-7".into(),
        pod_namespace: "production".into(),
        ..Metadata::default()
    };
    containers.answer(&id("a"), Some(metadata));
    containers.answer(&id("c"), None);
    containers
}

fn draft() -> impl Strategy<Value = Draft> {
    let words = prop::collection::vec((0..6_u8, 0..64_usize, -1..2_i64), 1..4);
    let filters = prop::collection::vec((any::<Index>(), (0..6_usize, words)), 0..4);
    let container = prop::option::weighted(0.3, 0..CONTAINER_WORDS.len());
    let parts = (any::<Index>(), filters, prop::option::of(any::<bool>()), container);
    parts.prop_map(|(record, filters, comm, container)| Draft { record, filters, comm, container })
}

/// One to 64 policies, of a few rules each.
fn drafts() -> impl Strategy<Value = Vec<Vec<Draft>>> {
    select(vec![1_usize, 2, 5, 63, 64])
        .prop_flat_map(|count| prop::collection::vec(prop::collection::vec(draft(), 1..4), count))
}

fn rule(draft: &Draft, narrowed: bool) -> serde_json::Value {
    let record = draft.record.get(recorded());
    let event = read(record);
    let all = fields(&event);
    let mut filters = Vec::new();
    for (field, (op, words)) in &draft.filters {
        let (name, index, textual) = field.get(&all);
        let op = ["=", "!=", "<", ">", "<=", ">="][if *textual { op % 2 } else { *op }];
        let words: Vec<String> = words.iter().filter_map(|by| word(&event, *index, *by)).collect();
        let numbers = || words.iter().all(|word| word.parse::<i128>().is_ok());
        if !words.is_empty() && (matches!(op, "=" | "!=") || numbers()) {
            filters.push(serde_json::json!({"field": name, "op": op, "values": words}));
        }
    }
    if let Some(same) = draft.comm.filter(|_| narrowed) {
        let comm = if same { String::from_utf8_lossy(event.head.task.comm()).into_owned() } else { "other".into() };
        filters.push(serde_json::json!({"field": "comm", "op": "=", "values": [comm]}));
    }
    filters.extend(draft.container.map(condition));
    serde_json::json!({"event": event.info.name, "filters": filters})
}

/// The record as it stands before the kernel's tests: strings of a system call where its registers point.
fn as_called<'a>(record: &'a Owned, strings: &'a mut Vec<CString>, bank: u32, cgroup: u64) -> Owned {
    let event = read(record);
    let mut head = *event.head;
    head.slots = u64::MAX;
    head.task.cgroup_id = cgroup;
    head.flags = if bank == 1 { head.flags | flags::BANK } else { head.flags & !flags::BANK };
    for (i, arg) in event.info.args.iter().enumerate().filter(|(i, _)| event.info.syscall && *i < 6) {
        if arg.kind == Kind::String {
            head.args[i] = match event.value(i) {
                Value::Text(text) => {
                    strings.push(CString::new(text.bytes).expect("a string without a NUL"));
                    strings.last().map_or(0, |string| string.as_ptr() as u64)
                }
                _ => 1,
            };
        }
    }
    let mut called = Owned::new(&head);
    for chunk in chunks(&record.as_bytes()[size_of::<Head>()..]) {
        called.push_chunk(chunk.bytes, chunk.flags);
    }
    called
}

static MATCHED: AtomicU64 = AtomicU64::new(0);
static UNMATCHED: AtomicU64 = AtomicU64::new(0);
static TURNED_AWAY: AtomicU64 = AtomicU64::new(0);

fn agree(judge: &mut Judge, drafts: &[Vec<Draft>]) -> Result<(), TestCaseError> {
    // only where every slot is a policy's own do such rules share it, and are decided in user space
    let narrowed = drafts.len() == 64;
    let policies: Vec<_> = drafts
        .iter()
        .enumerate()
        .map(|(i, rules)| {
            // every third has it of its scope, too
            let scope = rules.iter().filter(|_| i % 3 == 0).filter_map(|draft| draft.container).take(1);
            let scope: Vec<_> = scope.map(condition).collect();
            let rules: Vec<_> = rules.iter().map(|draft| rule(draft, narrowed)).collect();
            serde_json::json!({"name": format!("policy-{i}"), "scope": scope, "rules": rules})
        })
        .collect();
    let spec = serde_json::json!(policies);
    let Ok(compiled) = plan(spec.clone()).compile() else { return Err(TestCaseError::reject("no good plan")) };
    let bank = judge.set_plan(&compiled).expect("the kernel takes the plan");
    let mut containers = containers(&compiled, bank);
    judge.set_containers(containers.take_changes(), &CGROUPS[4..]).expect("the kernel takes containers");
    for (record, cgroup) in recorded().iter().zip(CGROUPS.into_iter().cycle()) {
        let mut strings = Vec::new();
        let mut called = as_called(record, &mut strings, bank, cgroup);
        let inside = containers.find(cgroup, 1).0.and_then(|key| containers.inside(key));
        let subject = Subject { container: inside.map(|inside| &**inside.details), open: false };
        let head = |record: &Owned| Event::read(record.as_bytes()).map(|e| e.head.event).expect("an event");
        let wanted = compiled.wanted[usize::from(head(&called))];
        let alone = compiled.filter.matching(&read(&called), Some(b"/bin/x"), subject);
        let left = judge.slots(called.as_bytes()).expect("the kernel's tests run");
        called.set_slots(left, bank == 1);
        let together = compiled.filter.matching(&read(&called), Some(b"/bin/x"), subject);
        prop_assert_eq!(alone, together, "{} of {}, left {:#x} of {:#x}", spec, read(record).info.name, left, wanted);
        let counter = if alone != 0 { &MATCHED } else { &UNMATCHED };
        counter.fetch_add(1, Ordering::Relaxed);
        if alone == 0 && left & wanted == 0 {
            TURNED_AWAY.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

#[test]
fn the_kernel_and_core_agree() {
    recorded();
    let judge = Mutex::new(Judge::new().expect("BPF programs: this test needs root"));
    let mut runner = TestRunner::new(Config { cases: PLANS, failure_persistence: None, ..Config::default() });
    let result = runner.run(&drafts(), |drafts| agree(&mut judge.lock().expect("nobody panicked"), &drafts));
    if let Err(error) = result {
        panic!("{error}");
    }
    let [matched, unmatched, away] = [&MATCHED, &UNMATCHED, &TURNED_AWAY].map(|n| n.load(Ordering::Relaxed));
    println!("{PLANS} plans: {matched} events matched, {unmatched} did not; {away} of these did not leave the kernel");
    assert!(matched > 10_000 && away > unmatched / 2, "{matched} matched, {away} of {unmatched} turned away");
}
