//! The way of events of containers through the pipeline: from the control records of their cgroups to what is told.

mod common;

use std::sync::{Arc, Mutex};

use serde_json::{json, Value};
use tracee_core::catalogue;
use tracee_core::containers::waiting::PATIENCE;
use tracee_core::containers::Metadata;
use tracee_core::format::json::Json;
use tracee_core::format::Shown;
use tracee_core::pipeline::{Pipeline, Policies, Sink};
use tracee_core::plan::Plan;
use tracee_core::record::{control, Head, Owned};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const CGROUP: u64 = 7;

#[derive(Default, Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Sink for Lines {
    fn write(&mut self, block: &mut Vec<u8>) {
        self.0.lock().expect("nobody panicked").append(block);
    }
}

struct Trace {
    pipeline: Pipeline,
    lines: Lines,
}

impl Trace {
    fn new(scope: &[Value]) -> Trace {
        let rules: Vec<Value> = ["getppid", "container_create", "container_remove", "existing_container"]
            .map(|e| json!({"event": e}))
            .into();
        let plan: Plan =
            serde_json::from_value(json!({"policies": [{"scope": scope, "rules": rules}]})).expect("a plan");
        let compiled = plan.compile().expect("a good plan");
        let policies = Policies { filter: compiled.filter, names: Arc::new(compiled.names) };
        let (mut pipeline, lines) = (Pipeline::new(policies, 0), Lines::default());
        pipeline.add_output(Box::new(Json::new(Shown::default())), Box::new(lines.clone()));
        Trace { pipeline, lines }
    }

    fn control(&mut self, event: u16, time: u64, path: &str) {
        let mut record = Owned::new(&Head { event, time, args: [CGROUP, 0, 0, 0, 0, 0], ..Head::default() });
        record.push_chunk(path.as_bytes(), 0);
        self.pipeline.record(record.as_bytes());
    }

    fn made(&mut self, time: u64) {
        self.control(control::CGROUP_MADE, time, &format!("/docker/{ID}"));
    }

    /// An event of a task in that cgroup.
    fn call(&mut self, cgroup_id: u64, time: u64) {
        let (event, _) = catalogue::by_name("getppid").expect("an event");
        let task = tracee_core::record::TaskContext { cgroup_id, ..common::task() };
        self.pipeline.record(Owned::new(&Head { event, time, slots: 1, task, ..Head::default() }).as_bytes());
    }

    /// Name, time since boot, id and name of the container, of each event told since the last call.
    fn told(&mut self) -> Vec<(String, u64, String, String)> {
        self.pipeline.flush();
        let bytes = std::mem::take(&mut *self.lines.0.lock().expect("nobody panicked"));
        let events = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let offset = self.pipeline.clock.wall(0);
        events
            .map(|line| serde_json::from_slice::<Value>(line).expect("JSON"))
            .map(|e| {
                let time = e["timestamp"].as_u64().expect("a time") - offset;
                (text(&e["eventName"]), time, text(&e["container"]["id"]), text(&e["container"]["name"]))
            })
            .collect()
    }
}

fn of(name: &str, time: u64, container: &str) -> (String, u64, String, String) {
    (name.into(), time, ID.into(), container.into())
}

fn web() -> Option<Metadata> {
    Some(Metadata { name: "web".into(), ..Metadata::default() })
}

#[test]
fn nothing_waits_where_nobody_asks() {
    let mut trace = Trace::new(&[]);
    trace.made(1);
    trace.call(CGROUP, 2);
    trace.control(control::CGROUP_GONE, 3, "");
    trace.call(CGROUP, 4);
    let expected = [of("container_create", 1, ""), of("getppid", 2, ""), of("container_remove", 3, "")];
    let told = trace.told();
    assert_eq!(told[..3], expected);
    assert_eq!(told[3].2, "", "it is gone");
}

#[test]
fn events_wait_for_names_and_keep_their_order() {
    let mut trace = Trace::new(&[]);
    trace.pipeline.containers.ask();
    trace.made(1);
    trace.call(CGROUP, 2);
    trace.call(99, 3);
    trace.control(control::CGROUP_GONE, 4, "");
    assert_eq!(trace.told(), [("getppid".to_owned(), 3, String::new(), String::new())], "the host's alone");
    assert!(trace.pipeline.is_waiting());
    trace.pipeline.answer(ID, web());
    let expected = [of("container_create", 1, "web"), of("getppid", 2, "web"), of("container_remove", 4, "web")];
    assert_eq!(trace.told(), expected);
    assert!(!trace.pipeline.is_waiting());
    trace.pipeline.answer(ID, web());
    assert!(trace.told().is_empty(), "it is forgotten");
}

#[test]
fn they_do_not_wait_for_ever_and_only_once() {
    let mut trace = Trace::new(&[]);
    trace.pipeline.containers.ask();
    trace.pipeline.settle(10);
    trace.made(1);
    trace.call(CGROUP, 2);
    trace.pipeline.settle(9 + PATIENCE);
    assert!(trace.told().is_empty());
    trace.pipeline.settle(10 + PATIENCE);
    assert_eq!(trace.told(), [of("container_create", 1, ""), of("getppid", 2, "")]);
    assert_eq!(trace.pipeline.counters.containers_unnamed, 1);
    trace.call(CGROUP, 3);
    assert_eq!(trace.told(), [of("getppid", 3, "")], "at once");
    trace.pipeline.answer(ID, web());
    trace.call(CGROUP, 4);
    assert_eq!(trace.told(), [of("getppid", 4, "web")]);
}

#[test]
fn what_names_decide_is_decided_when_they_are_known() {
    for (name, passes) in [("web", true), ("db", false)] {
        let mut trace = Trace::new(&[json!({"field": "containerName", "op": "=", "values": [name]})]);
        trace.pipeline.containers.ask();
        trace.made(1);
        trace.call(CGROUP, 2);
        trace.call(99, 3);
        assert!(trace.told().is_empty());
        trace.pipeline.answer(ID, web());
        let expected = [of("container_create", 1, "web"), of("getppid", 2, "web")];
        assert_eq!(trace.told(), expected[..if passes { 2 } else { 0 }]);
    }
}

#[test]
fn what_cannot_match_does_not_wait() {
    let mut trace = Trace::new(&[json!({"field": "not-container", "op": "", "values": []})]);
    trace.pipeline.containers.ask();
    trace.made(1);
    trace.call(CGROUP, 2);
    trace.call(99, 3);
    assert_eq!(trace.told().len(), 1);
    trace.pipeline.answer(ID, web());
    assert!(trace.told().is_empty());
}

#[test]
fn existing_ones_are_told() {
    let mut trace = Trace::new(&[]);
    trace.pipeline.settle(5);
    trace.pipeline.containers.made(CGROUP, format!("/docker/{ID}").as_bytes(), 1);
    trace.pipeline.tell_existing();
    assert_eq!(trace.told(), [of("existing_container", 5, "")]);
}

#[test]
fn memory_has_an_end() {
    let mut trace = Trace::new(&[]);
    trace.pipeline.containers.ask();
    trace.made(1);
    let mut time = 2;
    // without an answer, and without time going by
    while trace.pipeline.counters.containers_unnamed == 0 {
        trace.call(CGROUP, time);
        time += 1;
        assert!(time < 1_000_000, "they wait and wait");
    }
    assert_eq!(trace.told().len() as u64, time - 1);
}
