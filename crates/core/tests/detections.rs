//! Signatures: what of theirs the kernel is told, which events go to them, and how what they find comes out.

mod common;

use std::sync::{Arc, Mutex};

use serde_json::{json, Value};
use tracee_core::catalogue;
use tracee_core::event::Event;
use tracee_core::findings::{self, Declaration, Field, Trigger};
use tracee_core::format::json::Json;
use tracee_core::format::table::Table;
use tracee_core::format::Shown;
use tracee_core::pipeline::detected::{Detector, Found, Portion, Signal};
use tracee_core::pipeline::{Pipeline, Policies, Sink};
use tracee_core::plan::{Compiled, Plan};
use tracee_core::record::{control, Head, Owned};

fn declare(name: &str) -> u16 {
    let field = |name: &str, c_type: &str| Field { name: name.into(), c_type: c_type.into() };
    let declaration = Declaration {
        name: name.into(),
        id: format!("ID-{name}"),
        about: "a test".into(),
        category: "signatures".into(),
        sets: vec!["signatures".into()],
        fields: vec![field("path", "const char*"), field("count", "int"), field("list", "const char**")],
        detection: r#"{"id":"x"}"#.into(),
    };
    findings::declare(&declaration).expect("a kind")
}

fn compile(plan: &Value) -> Compiled {
    let plan: Plan = serde_json::from_value(plan.clone()).expect("a plan");
    plan.compile().unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn equals(field: &str, value: &str) -> Value {
    json!({"field": field, "op": "=", "values": [value]})
}

fn index(event: &str) -> usize {
    usize::from(catalogue::by_name(event).expect("an event").0)
}

#[test]
fn the_same_again_is_the_same_kind() {
    let first = declare("told_twice");
    assert_eq!(declare("told_twice"), first);
    assert_eq!(findings::kind(first).expect("a kind").name, "told_twice");
    assert_eq!(catalogue::by_name("told_twice").expect("an event").0, first);
    let wrong = Declaration {
        name: "wrong".into(),
        id: "w".into(),
        about: String::new(),
        category: "signatures".into(),
        sets: Vec::new(),
        fields: vec![Field { name: "f".into(), c_type: "float*".into() }],
        detection: "{}".into(),
    };
    assert!(findings::declare(&wrong).expect_err("refused").contains("float*"));
    // indices of control records are none of ours
    assert!(findings::kind(control::EXEC).is_none() && findings::number(control::PACKET).is_none());
}

#[test]
fn what_signatures_select_is_a_policy_that_shows_nothing() {
    declare("opens");
    let selected = json!([
        {"event": "openat", "filters": [equals("data.pathname", "/a")]},
        {"event": "openat", "filters": [equals("data.pathname", "/b"), {"field": "container", "op": ""}]}]);
    let plan = json!({"policies": [{"rules": [{"event": "getppid"}, {"event": "opens"}]}],
                      "signatures": [{"event": "opens", "selected": selected}]});
    let compiled = compile(&plan);
    // slot 0 is the policy's, 1 is that of signatures, 2 of their rule for containers; no scope has to be known of findings
    assert_eq!((compiled.needed[index("openat")], compiled.needed[index("getppid")]), (0b110, 1));
    assert_eq!((compiled.filter.signatures, compiled.riding), (Some(1), 0));
    assert_eq!(compiled.names, [""]);
    assert!(compiled.fields.events.contains_key(&(index("openat") as u16)), "the kernel tests the paths");
}

#[test]
fn scopes_of_findings_ride_along_with_what_leads_to_them() {
    declare("inner");
    declare("outer");
    let plan = json!({
        "policies": [
            {"name": "a", "scope": [equals("comm", "x")], "rules": [
                {"event": "outer"}, {"event": "openat", "filters": [equals("retval", "3")]}]},
            {"name": "b", "rules": [{"event": "outer", "filters": [equals("uid", "7")]}]}],
        "signatures": [
            {"event": "inner", "selected": [{"event": "openat"}]},
            {"event": "outer", "selected": [{"event": "inner"}, {"event": "getppid"}]}]});
    let compiled = compile(&plan);
    // a, b, signatures; then a's and b's that ride
    assert_eq!(compiled.riding, 0b11000);
    assert_eq!(compiled.needed[index("openat")], 0b11101);
    assert_eq!(compiled.needed[index("getppid")], 0b11100);
    assert_eq!(compiled.scope.texts[0].used, 0b01001, "a's scope");
    assert_eq!(compiled.scope.numbers[1].used, 0b10000, "what b's rule asks");
    assert_eq!(compiled.needed[index("close")], 0);
}

#[test]
fn where_there_is_no_slot_user_space_decides() {
    declare("late");
    let mut policies: Vec<Value> = (0..62)
        .map(|i| json!({"name": format!("p{i}"), "scope": [equals("uid", &i.to_string())], "rules": [{"event": "getppid"}]}))
        .collect();
    policies.push(json!({"name": "last", "scope": [equals("uid", "99")], "rules": [{"event": "late"}]}));
    let signatures = json!([{"event": "late", "selected": [{"event": "openat"}]}]);
    let compiled = compile(&json!({"policies": policies, "signatures": signatures}));
    assert_eq!((compiled.riding, compiled.slots.used()), (0, u64::MAX));
    let slot = 1 << compiled.filter.signatures.expect("signatures");
    let matching = |uid| {
        let mut task = common::task();
        task.uid = uid;
        let (event, _) = catalogue::by_name("late").expect("a kind");
        let record = Owned::new(&Head { event, slots: slot, task, ..Head::default() });
        let event = Event::read(record.as_bytes()).expect("a record");
        compiled.filter.matching(&event, None, tracee_core::containers::Subject::default())
    };
    assert_eq!((matching(99), matching(98)), (1 << 62, 0));
    policies.push(json!({"name": "one more", "rules": [{"event": "getppid"}]}));
    let plan: Plan = serde_json::from_value(json!({"policies": policies, "signatures": signatures})).expect("a plan");
    assert!(plan.compile().expect_err("refused")[0].message.contains("64"));
}

#[test]
fn what_is_wrong_with_a_signature_is_told() {
    declare("bad");
    let selected = json!([{"event": "opennat"}, {"event": "openat", "filters": [equals("data.path", "x")]},
                          {"event": "openat", "filters": [equals("tree", "1")]}]);
    let plan: Plan = serde_json::from_value(json!({"policies": [], "signatures": [
        {"event": "nobody_finds", "selected": []}, {"event": "bad", "selected": selected}]}))
    .expect("a plan");
    let errors = plan.compile().expect_err("refused");
    let told: Vec<_> = errors.iter().map(|e| (e.policy, e.rule, e.predicate, e.message.as_str())).collect();
    assert_eq!(told[0], (0, None, None, "no signature is declared that finds \"nobody_finds\""));
    assert_eq!(told[1], (1, Some(0), None, "unknown event \"opennat\" (nearest: openat)"));
    assert_eq!((told[2].0, told[2].1, told[2].2), (1, Some(1), Some(0)));
    assert!(told[2].3.contains("nearest: data.pathname"), "{told:?}");
    assert_eq!((told[3].1, told.len()), (Some(2), 4));
}

/// Names of events, each with the signatures that it is for.
type Taken = Arc<Mutex<Vec<(String, Vec<u16>)>>>;

/// Signatures that find `finds` in each event that they are given, as often as findings may lead to each other.
#[derive(Clone, Default)]
struct Finder {
    finds: u16,
    taken: Taken,
    signals: Arc<Mutex<Vec<Signal>>>,
    found: Arc<Mutex<Vec<Found>>>,
    full: bool,
    missed: Arc<Mutex<Vec<u16>>>,
}

impl Detector for Finder {
    fn take(&mut self, portion: Portion) -> Result<(), Portion> {
        if self.full {
            return Err(portion);
        }
        for i in 0..portion.events.len() {
            let member = portion.events.get(i).expect("an event");
            let name = member.event.name().to_owned();
            self.taken.lock().expect("nobody panicked").push((name, portion.events.takers(i).to_vec()));
            let trigger = Trigger { record: member.bytes, head: member.event.head, policies: vec!["of-trigger"] };
            let values = [
                findings::Value::Text(b"/x\xff".to_vec()),
                findings::Value::Number(-2i64 as u64),
                findings::Value::List(vec![b"a".to_vec(), b"b".to_vec()]),
            ];
            let beyond = br#"{"name":"more","type":"bool","value":true}"#;
            if let Some(record) = findings::record(self.finds, &trigger, &values, beyond) {
                let (policies, lineage) = (member.policies.clone(), member.lineage.cloned());
                let found = Found { record, policies, executable: None, container: None, lineage };
                self.found.lock().expect("nobody panicked").push(found);
            }
        }
        self.signals.lock().expect("nobody panicked").extend(portion.signals);
        Ok(())
    }

    fn missed(&mut self, events: &mut dyn Iterator<Item = u16>) {
        self.missed.lock().expect("nobody panicked").extend(events);
    }

    fn found(&mut self) -> Vec<Found> {
        std::mem::take(&mut *self.found.lock().expect("nobody panicked"))
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn is_attended(&self) -> bool {
        true
    }

    fn watches_processes(&self) -> bool {
        true
    }
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Sink for Text {
    fn write(&mut self, block: &mut Vec<u8>) {
        self.0.lock().expect("nobody panicked").append(block);
    }
}

fn pipeline(events: &[&str], selected: &Value, finder: &Finder) -> (Pipeline, Text, Text) {
    let rules: Vec<Value> = events.iter().map(|event| json!({"event": event})).collect();
    let name = findings::kind(finder.finds).expect("a kind").name;
    let compiled = compile(&json!({"policies": [{"name": "p", "rules": rules}],
                                   "signatures": [{"event": name, "selected": selected}]}));
    let policies = Policies { filter: compiled.filter, names: Arc::new(compiled.names) };
    let mut pipeline = Pipeline::new(policies, 0);
    let (lines, table) = (Text::default(), Text::default());
    pipeline.add_output(Box::new(Json::new(Shown::default())), Box::new(lines.clone()));
    pipeline.add_output(Box::new(Table::new(None, Shown::default())), Box::new(table.clone()));
    pipeline.set_detector(Box::new(finder.clone()));
    (pipeline, lines, table)
}

fn call(pipeline: &mut Pipeline, event: &str) {
    let head = Head { event: index(event) as u16, slots: u64::MAX, time: 5, task: common::task(), ..Head::default() };
    pipeline.record(Owned::new(&head).as_bytes());
}

fn json_lines(text: &Text) -> Vec<Value> {
    let bytes = text.0.lock().expect("nobody panicked").clone();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
}

#[test]
fn a_finding_has_what_led_to_it() {
    let finder = Finder { finds: declare("seen"), ..Finder::default() };
    let (mut pipeline, lines, table) = pipeline(&["seen"], &json!([{"event": "getppid"}]), &finder);
    call(&mut pipeline, "getppid");
    call(&mut pipeline, "getpid");
    pipeline.flush();
    assert_eq!(pipeline.take_findings(), 1);
    pipeline.flush();
    let number = findings::number(finder.finds).expect("a number");
    assert_eq!(*finder.taken.lock().expect("nobody panicked"), [("getppid".to_owned(), vec![number])]);
    let told = json_lines(&lines);
    assert_eq!(told.len(), 1, "what a signature selects is not shown for that");
    let finding = &told[0];
    assert_eq!((&finding["eventName"], &finding["eventId"]), (&json!("seen"), &json!("ID-seen")));
    assert_eq!(finding["detection"], json!({"id": "x"}));
    assert_eq!(
        finding["args"],
        json!([{"name": "path", "type": "const char*", "value": "/x\\xff"}, {"name": "count", "type": "int", "value": -2},
               {"name": "list", "type": "const char**", "value": ["a", "b"]},
               {"name": "more", "type": "bool", "value": true}])
    );
    assert_eq!(finding["policies"]["matched"], json!(["p"]));
    assert_eq!(finding["triggeredBy"]["eventName"], "getppid");
    assert_eq!(finding["triggeredBy"]["policies"]["matched"], json!(["of-trigger"]));
    assert_eq!(finding["timestamp"], finding["triggeredBy"]["timestamp"]);
    let table = String::from_utf8_lossy(&table.0.lock().expect("nobody panicked")).into_owned();
    assert!(table.contains(r#"path: /x\xff, count: -2, list: ["a", "b"], more: true from getppid:"#), "{table}");
}

#[test]
fn findings_that_lead_to_each_other_come_to_an_end() {
    let finder = Finder { finds: declare("again"), ..Finder::default() };
    let selected = json!([{"event": "getppid"}, {"event": "again"}]);
    let (mut pipeline, lines, _) = pipeline(&["again"], &selected, &finder);
    call(&mut pipeline, "getppid");
    pipeline.flush();
    let mut turns = 0;
    while !pipeline.has_detected(1) {
        turns += 1;
        assert!(turns < 20, "it does not come to an end");
    }
    pipeline.flush();
    assert_eq!(json_lines(&lines).len() as u64, findings::MOST_DEEP);
    assert_eq!(pipeline.counters.findings_too_deep, 1);
}

#[test]
fn what_finds_no_room_is_counted_and_what_is_gone_is_told_later() {
    let mut finder = Finder { finds: declare("full"), full: true, ..Finder::default() };
    let (mut pipeline, lines, _) = pipeline(&["getppid"], &json!([{"event": "getppid"}]), &finder);
    call(&mut pipeline, "getppid");
    let task = tracee_core::record::TaskContext { host_pid: 77, start_time: 9, ..common::task() };
    pipeline.record(Owned::new(&Head { event: control::EXIT, task, ..Head::default() }).as_bytes());
    pipeline.flush();
    assert_eq!(*finder.missed.lock().expect("nobody panicked"), [index("getppid") as u16]);
    assert_eq!(json_lines(&lines).len(), 1, "outputs have it all the same");
    finder.full = false;
    pipeline.set_detector(Box::new(finder.clone()));
    pipeline.record(Owned::new(&Head { event: control::EXIT, task, ..Head::default() }).as_bytes());
    let mut turns = 0;
    while !pipeline.has_detected(1) {
        turns += 1;
        assert!(turns < 10, "it does not come to an end");
    }
    let gone = Signal::ProcessGone { pid: 77, start: 9 };
    assert_eq!(*finder.signals.lock().expect("nobody panicked"), [gone, Signal::Shutdown]);
}
