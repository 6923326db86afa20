//! What a record looks like as JSON and in the table.

mod common;

use common::{record, write};
use serde_json::{json, Value};
use tracee_core::format::json::Json;
use tracee_core::format::table::Table;
use tracee_core::format::{Format, Shown, Times};
use tracee_core::record::{chunk, Head, Owned};

fn as_json(record: &Owned, parse_arguments: bool) -> Value {
    let line = write(&mut Json::new(Shown { parse_arguments, ..Shown::default() }), record);
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
    serde_json::from_str(&line).expect("a line is JSON")
}

fn args(event: &Value) -> Vec<(&str, &Value)> {
    let args = event["args"].as_array().expect("args is a list");
    args.iter().map(|a| (a["name"].as_str().expect("a name"), &a["value"])).collect()
}

const CWD: (&[u8], u8) = (b"", chunk::NULL);

#[test]
fn openat_has_every_field_of_the_contract() {
    let record = record("openat", 3, &[u64::MAX - 99, 0, 0o101, 0o644], &[CWD, (b"/etc/passwd", 0)]);
    let event = as_json(&record, false);
    assert_eq!(event["timestamp"], json!(1_700_000_007_000_000_000_u64));
    assert_eq!(event["threadStartTime"], json!(1_700_000_005_000_000_000_u64));
    for (key, value) in [
        ("processorId", 1),
        ("processId", 10),
        ("threadId", 11),
        ("parentProcessId", 9),
        ("userId", 33),
        ("hostProcessId", 1000),
        ("hostThreadId", 1001),
        ("hostParentProcessId", 999),
        ("returnValue", 3),
    ] {
        assert_eq!(event[key], json!(value), "{key}");
    }
    assert_eq!(event["eventName"], "openat");
    assert_eq!(event["eventId"], "257");
    assert_eq!(event["processName"], "bash");
    assert_eq!(event["policies"]["matched"], json!([]));
    assert_eq!(
        event["args"],
        json!([
            {"name": "dirfd", "type": "int", "value": -100},
            {"name": "pathname", "type": "const char*", "value": "/etc/passwd"},
            {"name": "flags", "type": "int", "value": 65},
            {"name": "mode", "type": "mode_t", "value": 420},
        ])
    );
}

#[test]
fn arguments_by_name() {
    let open = record("openat", -13, &[u64::MAX - 99, 0, 0o2101, 0o644], &[CWD, (b"x", 0)]);
    let event = as_json(&open, true);
    assert_eq!(event["returnValue"], "-EACCES");
    assert_eq!(args(&event)[2].1, "O_WRONLY|O_CREAT|O_APPEND");
    assert_eq!(args(&event)[3].1, "0644");
    let kill = record("kill", 0, &[5, 15], &[]);
    assert_eq!(args(&as_json(&kill, true))[1].1, "SIGTERM");
    // the family of one argument depends on another
    let netlink = record("socket", 3, &[16, 3, 15], &[]);
    let event = as_json(&netlink, true);
    assert_eq!(
        args(&event).iter().map(|a| a.1).collect::<Vec<_>>(),
        ["AF_NETLINK", "SOCK_RAW", "NETLINK_KOBJECT_UEVENT"]
    );
    let clone = record("clone", 100, &[0x0120_0011, 0, 0, 0, 0], &[]);
    assert_eq!(args(&as_json(&clone, true))[0].1, "SIGCHLD|CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID");
}

#[test]
fn what_was_cut_or_unreadable_is_marked() {
    let cut = record("openat", 3, &[0], &[CWD, (b"/long", chunk::CUT)]);
    assert_eq!(
        as_json(&cut, false)["args"][1],
        json!({"name": "pathname", "type": "const char*", "value": "/long", "truncated": true})
    );
    let fault = record("openat", -14, &[0], &[CWD, (b"", chunk::FAULT)]);
    assert_eq!(as_json(&fault, false)["args"][1]["value"], Value::Null);
    // a record without room for the chunk
    let short = record("openat", 3, &[0], &[]);
    assert_eq!(as_json(&short, false)["args"][1]["value"], Value::Null);
    assert_eq!(as_json(&short, false)["args"][1]["truncated"], true);
    assert_eq!(as_json(&fault, false)["args"][1]["truncated"], Value::Null);
}

#[test]
fn lists_keep_empty_strings() {
    let exec = record("execve", 0, &[], &[(b"/bin/ls", 0), (b"ls\0-la\0\0", 0), (b"", 0)]);
    let event = as_json(&exec, false);
    assert_eq!(*args(&event)[1].1, json!(["ls", "-la", ""]));
    assert_eq!(*args(&event)[2].1, json!([]));
}

#[test]
fn a_script_shows_the_arguments_that_were_passed() {
    let area: (&[u8], u8) = (b"/bin/sh\0-e\0./script\0one\0\0", 0);
    let rest = 2_u64.to_le_bytes();
    let exec = record("execve", 0, &[], &[(b"./script", 0), area, (b"", 0), (&rest, 0), (b"script", 0)]);
    assert_eq!(*args(&as_json(&exec, false))[1].1, json!(["script", "one", ""]));
}

#[test]
fn files_behind_descriptors() {
    let fchmod = record("fchmod", 0, &[7, 0o600], &[(b"/tmp/gone", chunk::DELETED)]);
    assert_eq!(
        as_json(&fchmod, false)["args"][0],
        json!({"name": "fd", "type": "int", "value": 7, "path": "/tmp/gone (deleted)"})
    );
    let inode = [42_u64.to_le_bytes().as_slice(), &0o140_777_u32.to_le_bytes()].concat();
    let socket = record("fchmod", 0, &[7, 0o600], &[(&inode, chunk::INODE)]);
    assert_eq!(as_json(&socket, false)["args"][0]["path"], "socket:[42]");
    let epoll = record("fchmod", 0, &[7, 0o600], &[(b"[eventpoll]", chunk::ANON)]);
    assert_eq!(as_json(&epoll, false)["args"][0]["path"], "anon_inode:[eventpoll]");
}

#[test]
fn socket_addresses() {
    let inet = [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let address = |bytes: &[u8]| {
        let record = record("connect", 0, &[3, 0, bytes.len() as u64], &[(bytes, 0)]);
        as_json(&record, false)["args"][1]["value"].clone()
    };
    assert_eq!(address(&inet), json!({"sa_family": "AF_INET", "sin_addr": "127.0.0.1", "sin_port": 80}));
    assert_eq!(address(b"\x01\0/run/x\0junk"), json!({"sa_family": "AF_UNIX", "sun_path": "/run/x"}));
    assert_eq!(address(b"\x01\0\0name"), json!({"sa_family": "AF_UNIX", "sun_path": "@name"}));
    assert_eq!(address(&inet[..5]), json!({"sa_family": "AF_INET"}));
    assert_eq!(address(&inet[..1]), Value::Null);
}

#[test]
fn times() {
    let time = |seconds: i64, nanoseconds: i64| {
        let bytes = [seconds.to_le_bytes(), nanoseconds.to_le_bytes()].concat();
        let record = record("nanosleep", 0, &[], &[(&bytes, 0), (b"", chunk::NULL)]);
        write(&mut Json::new(Shown::default()), &record)
    };
    assert!(time(1, 500_000_000).contains(r#""value":1.5}"#));
    assert!(time(0, 1).contains(r#""value":0.000000001}"#));
    assert!(time(-1, 0).contains(r#""value":-1}"#));
    assert!(time(10, 0).contains(r#""value":10}"#));
}

#[test]
fn names_of_policies_are_listed_and_escaped() {
    let record = record("getppid", 1, &[], &[]);
    let event = tracee_core::event::Event::read(record.as_bytes()).expect("a record");
    let names = ["".into(), "quo\"ted".into(), "third".into()];
    let context = tracee_core::format::Context {
        lineage: None,
        clock: Default::default(),
        executable: None,
        container: None,
        matched: 0b011,
        policy_names: &names,
        host_mount_ns: 0,
        sha256: None,
    };
    let mut line = Vec::new();
    Json::new(Shown::default()).write(&mut line, &event, &context);
    let line: Value = serde_json::from_slice(&line).expect("JSON");
    assert_eq!(line["policies"]["matched"], json!(["quo\"ted"]));
}

#[test]
fn the_table_aligns_and_is_cut_to_the_terminal() {
    let exec = record("execve", 0, &[], &[(b"/bin/ls", 0), (b"ls\0-la\0/tmp\0", 0), (b"", 0)]);
    let line = write(&mut Table::new(None, Shown::default()), &exec);
    let (time, rest) = line.split_at(17);
    assert!(time.trim_end().len() == "14:23:45.678901".len(), "{time:?}");
    assert_eq!(rest, "33     execve           host             /bin/ls          [\"-la\", \"/tmp\"]\n");
    let cut = write(&mut Table::new(Some(60), Shown::default()), &exec);
    assert_eq!(cut.trim_end(), line[..60].trim_end());
    let mut head = Vec::new();
    Table::new(None, Shown::default()).begin(&mut head);
    assert_eq!(head, b"TIME             UID    EVENT            CONTAINER        COMMAND          ARGS\n");
}

#[test]
fn a_terminal_is_not_handed_control_characters() {
    let evil = record("openat", -2, &[u64::MAX - 99], &[CWD, (b"/tmp/\x1b[2J\xff\n\xe2\x80\xaegpj.exe\\", 0)]);
    let line = write(&mut Table::new(None, Shown::default()), &evil);
    assert!(line.contains(r"/tmp/\x1b[2J\xff\x0a\xe2\x80\xaegpj.exe\\"), "{line}");
    assert!(line.trim_end().ends_with("= -ENOENT"), "{line}");
}

#[test]
fn losses_are_events() {
    let loss = tracee_core::losses::Loss { event: 0, cpu: 3, from: 1, to: 2, count: 1234 };
    let record = loss.record(Default::default());
    let event = as_json(&record, false);
    assert_eq!(event["eventName"], "events_lost");
    let args = args(&event);
    assert_eq!(*args[1].1, json!(3));
    assert_eq!(*args[4].1, json!(1234));
    assert_eq!(Head::default().slots, 0);
}

#[test]
fn times_are_relative_or_left_out() {
    let record = record("getppid", 1, &[], &[]);
    let shown = |times| Shown { times, ..Shown::default() };
    let json = |times| write(&mut Json::new(shown(times)), &record);
    let table = |times| write(&mut Table::new(None, shown(times)), &record);
    let since = Times::Since(5_500_000_000);
    assert!(json(since).starts_with(r#"{"timestamp":1500000000,"threadStartTime":17"#), "{}", json(since));
    assert!(json(Times::None).starts_with(r#"{"threadStartTime":17"#), "{}", json(Times::None));
    let late = Times::Since(8_000_000_000);
    assert!(json(late).starts_with(r#"{"timestamp":0,"#), "what came before the start has 0");
    assert!(table(since).starts_with("1.500000         33     getppid "), "{}", table(since));
    assert!(table(Times::None).starts_with("33     getppid "), "{}", table(Times::None));
    let mut head = Vec::new();
    Table::new(None, shown(Times::None)).begin(&mut head);
    assert!(head.starts_with(b"UID    EVENT "));
}
