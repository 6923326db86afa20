//! Plans: what they refuse, what the kernel is told, what is left to test here.

mod common;

use common::record;
use tracee_core::containers::Subject;
use tracee_core::event::Event;
use tracee_core::plan::{Compiled, Plan};
use tracee_core::record::chunk;

/// One policy: `scope` and `filters` as text, `field op value`, all filters on `event`.
fn plan(event: &str, scope: &[&str], filters: &[&str]) -> Result<Compiled, Vec<String>> {
    let predicate = |text: &&str| {
        let at = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
        let end = text[at..].find(|c| !"=!<>".contains(c)).map_or(text.len(), |n| at + n);
        let values: Vec<&str> = if end < text.len() { text[end..].split(',').collect() } else { Vec::new() };
        serde_json::json!({"field": &text[..at], "op": &text[at..end], "values": values})
    };
    let scope: Vec<_> = scope.iter().map(predicate).collect();
    let filters: Vec<_> = filters.iter().map(predicate).collect();
    let plan = serde_json::json!({"policies": [{"scope": scope, "rules": [{"event": event, "filters": filters}]}]});
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    plan.compile().map_err(|errors| errors.into_iter().map(|e| e.message).collect())
}

fn passes(event: &str, filters: &[&str], record: &tracee_core::record::Owned) -> bool {
    let compiled = plan(event, &[], filters).expect("a good plan");
    compiled.filter.matching(&Event::read(record.as_bytes()).expect("a record"), None, Subject::default()) == 1
}

const CWD: (&[u8], u8) = (b"", chunk::NULL);

#[test]
fn paths_match_by_wildcards() {
    let open = record("openat", 3, &[0, 0, 0o1], &[CWD, (b"/etc/passwd", 0)]);
    for (filter, expected) in [
        ("data.pathname=/etc/passwd", true),
        ("data.pathname=/etc/*", true),
        ("data.pathname=*passwd", true),
        ("data.pathname=*/pass*", true),
        ("data.pathname=/tmp/*,/etc/*", true),
        ("data.pathname=/etc", false),
        ("data.pathname!=/etc/*", false),
        ("data.pathname!=/tmp/*", true),
    ] {
        assert_eq!(passes("openat", &[filter], &open), expected, "{filter}");
    }
    // the same key again is OR, another key is AND
    assert!(passes("openat", &["data.pathname=/tmp/*", "data.pathname=/etc/*"], &open));
    assert!(!passes("openat", &["data.pathname=/etc/*", "retval<0"], &open));
    // unreadable text equals nothing, and differs from everything
    let fault = record("openat", -14, &[0], &[CWD, (b"", chunk::FAULT)]);
    assert!(!passes("openat", &["data.pathname=*"], &fault));
    assert!(passes("openat", &["data.pathname!=/etc/passwd"], &fault));
}

#[test]
fn flags_match_by_bit_and_access_modes_by_number() {
    let with = |flags: u64| record("openat", 3, &[0, 0, flags], &[CWD, (b"x", 0)]);
    assert!(passes("openat", &["data.flags=O_WRONLY,O_RDWR"], &with(0o101)));
    assert!(!passes("openat", &["data.flags=O_WRONLY,O_RDWR"], &with(0o100)));
    assert!(passes("openat", &["data.flags=O_CREAT"], &with(0o101)));
    assert!(passes("openat", &["data.flags=O_RDONLY"], &with(0o100)));
    assert!(!passes("openat", &["data.flags=O_RDONLY"], &with(0o2)));
    assert!(passes("openat", &["data.flags=65"], &with(0o101)));
    assert!(!passes("openat", &["data.flags=64"], &with(0o101)));
}

#[test]
fn numbers_errors_and_lists() {
    let failed = record("openat", -2, &[0], &[CWD, (b"x", 0)]);
    for (filter, expected) in [
        ("retval=-2", true),
        ("retval=ENOENT", true),
        ("retval=-ENOENT", true),
        ("retval!=0", true),
        ("retval>=0", false),
    ] {
        assert_eq!(passes("openat", &[filter], &failed), expected, "{filter}");
    }
    let range = |value| {
        let read = record("read", value, &[0, 0, 100], &[]);
        passes("read", &["retval>10", "retval<20"], &read)
    };
    assert_eq!([10, 11, 19, 20].map(range), [false, true, true, false]);
    let exec = record("execve", 0, &[], &[(b"/usr/bin/python3", 0), (b"python3\0-c\0import socket\0", 0), (b"", 0)]);
    assert!(passes("execve", &["data.argv=socket"], &exec));
    assert!(!passes("execve", &["data.argv=subprocess"], &exec));
    assert!(passes("execve", &["data.argv=import*"], &exec));
    let connect = record("connect", 0, &[3], &[(&[2, 0, 1, 187, 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], 0)]);
    assert!(passes("connect", &["data.addr=10.0.0.7"], &connect));
    assert!(passes("connect", &["data.addr=10.0.0.7:443"], &connect));
    assert!(!passes("connect", &["data.addr=10.0.0.8"], &connect));
    assert!(passes("kill", &["data.sig=SIGKILL"], &record("kill", 0, &[1, 9], &[])));
}

#[test]
fn what_cannot_be_is_refused_with_the_nearest_that_can() {
    let first =
        |event: &str, scope: &[&str], filters: &[&str]| plan(event, scope, filters).expect_err("refused").remove(0);
    assert_eq!(first("opnat", &[], &[]), r#"unknown event "opnat" (nearest: openat)"#);
    assert_eq!(first("openat", &["uidd=0"], &[]), r#"unknown scope "uidd" (nearest: uid)"#);
    assert_eq!(first("openat", &["pid=x"], &[]), r#"pid: "x" is no number"#);
    assert_eq!(first("openat", &["pid=4294967296"], &[]), "pid: 4294967296 is out of range (0 to 4294967295)");
    assert_eq!(first("openat", &["comm<a"], &[]), "comm takes = and != only");
    assert_eq!(first("openat", &["follow=1"], &[]), "follow takes no value");
    assert_eq!(
        first("openat", &[], &["data.pathnam=x"]),
        r#"openat has no field "data.pathnam" (nearest: data.pathname)"#
    );
    assert_eq!(
        first("openat", &[], &["data.flags=O_WRNLY"]),
        r#"data.flags: unknown value "O_WRNLY" (nearest: O_WRONLY)"#
    );
    assert_eq!(first("openat", &[], &["data.pathname<x"]), "data.pathname is text: it takes = and != only");
    assert!(first("openat", &["executable=*x*", "follow"], &[]).starts_with("follow goes with"));
}

#[test]
fn scopes_become_the_kernels_tables() {
    let Compiled { scope, tables, .. } =
        plan("openat", &["pid>1000", "pid<=2000", "pid!=1500", "comm=nginx,a-name-of-twenty-x"], &[]).expect("good");
    let pid = &scope.numbers[0];
    assert_eq!((pid.used, pid.positive, pid.ranged, pid.min[0], pid.max[0]), (1, 1, 1, 1001, 2000));
    assert_eq!(tables.numbers[&(0, 1500)].no, 1);
    // the kernel keeps 15 bytes of a name
    let names: Vec<&[u8]> = tables.exact.keys().map(|(_, text)| text.as_slice()).collect();
    assert_eq!(names, [b"a-name-of-twent".as_slice(), b"nginx"]);
    assert_eq!((scope.slots, scope.scoped), (1, 1));
    let only_not = plan("openat", &["uid!=0"], &[]).expect("good").scope;
    assert_eq!((only_not.numbers[1].used, only_not.numbers[1].positive), (1, 0));
    // the longest prefix speaks for those that it contains
    let nested = plan("openat", &["executable=/usr/*", "executable!=/usr/bin/*"], &[]).expect("good").tables;
    let longest = nested.prefixes[&(1, b"/usr/bin/".to_vec())];
    assert_eq!((longest.yes, longest.no), (1, 1));
    let suffix = plan("openat", &["executable=*.so"], &[]).expect("good").tables;
    assert!(suffix.suffixes.contains_key(&(1, b"os.".to_vec())));
    let open = plan("openat", &["executable=*mid*"], &[]).expect("good");
    assert_eq!(open.scope.texts[1].undecided, 1);
    let event = record("openat", 3, &[0], &[CWD, (b"x", 0)]);
    let event = Event::read(event.as_bytes()).expect("a record");
    assert_eq!(open.filter.matching(&event, Some(b"/a/mid/b"), Subject::default()), 1);
    assert_eq!(open.filter.matching(&event, Some(b"/a/b"), Subject::default()), 0);
}

#[test]
fn at_most_64_policies() {
    let policies: Vec<_> =
        (0..65).map(|i| serde_json::json!({"name": format!("p{i}"), "rules": [{"event": "openat"}]})).collect();
    let plan: Plan = serde_json::from_value(serde_json::json!({"policies": policies})).expect("a plan");
    assert_eq!(plan.compile().expect_err("refused")[0].message, "65 policies: at most 64 fit");
    let plan: Plan = serde_json::from_value(serde_json::json!({"policies": policies[..64]})).expect("a plan");
    assert_eq!(plan.compile().expect("64 fit").scope.slots, u64::MAX);
}

#[test]
fn derived_events_need_others_that_are_not_shown() {
    let (base, _) = tracee_core::catalogue::by_name("shared_object_loaded").expect("an event");
    let (derived, _) = tracee_core::catalogue::by_name("symbols_loaded").expect("an event");
    let loaded = record("shared_object_loaded", 0, &[], &[(b"/lib/x.so", 0)]);
    let loaded = Event::read(loaded.as_bytes()).expect("a record");
    let compiled = plan("symbols_loaded", &[], &["data.symbols=getenv"]).expect("a good plan");
    assert_eq!((compiled.wanted[usize::from(base)], compiled.needed[usize::from(base)]), (0, 1));
    assert_eq!(compiled.filter.matching(&loaded, None, Subject::default()), 0);
    // selected itself, it is shown
    let compiled = plan("shared_object_loaded", &[], &[]).expect("a good plan");
    assert_eq!(compiled.filter.matching(&loaded, None, Subject::default()), 1);
    // what looks for nothing needs nothing
    for filters in [&[][..], &["data.symbols!=getenv"], &["data.library_path=/lib/*"]] {
        let compiled = plan("symbols_loaded", &[], filters).expect("a good plan");
        assert_eq!((compiled.wanted[usize::from(derived)], compiled.needed[usize::from(base)]), (1, 0), "{filters:?}");
    }
    assert_eq!(plan("symbols_collision", &[], &[]).expect("a good plan").needed[usize::from(base)], 1);
}

#[test]
fn filters_on_symbols_say_which_count() {
    let counted = |event: &str, filters: &[&str], name: &[u8], noise| {
        let watches = plan(event, &[], filters).expect("a good plan").watches;
        let all: Vec<_> = watches.loaded.iter().chain(&watches.collision).collect();
        let [watch] = all[..] else { panic!("one rule") };
        watch.counts(name, noise)
    };
    let loaded = |filters: &[&str], name| counted("symbols_loaded", filters, name, false);
    assert!(loaded(&["data.symbols=getenv,mal*"], b"getenv"));
    assert!(!loaded(&["data.symbols=getenv,mal*"], b"secure_getenv"));
    assert!(loaded(&["data.symbols=getenv,mal*"], b"malloc"));
    assert!(!loaded(&["data.symbols=mal*", "data.symbols!=malloc"], b"malloc"));
    let collides = |filters: &[&str], name, noise| counted("symbols_collision", filters, name, noise);
    assert!(collides(&[], b"getenv", false));
    assert!(!collides(&[], b"_init", true));
    assert!(!collides(&["data.symbols!=getenv"], b"getenv", false));
    assert!(collides(&["data.symbols=_init"], b"_init", true), "it is named");
    let refused = plan("symbols_loaded", &[], &["data.symbols<3", "data.library=x"]).expect_err("no text is less");
    assert_eq!(refused.len(), 2);
    assert!(refused[1].contains("data.library_path"), "{refused:?}");
}

#[test]
fn other_filters_hold_for_the_event_of_their_rule() {
    let rules = serde_json::json!([
        {"event": "symbols_loaded", "filters": [
            {"field": "data.symbols", "op": "=", "values": ["a"]},
            {"field": "data.library_path", "op": "!=", "values": ["/lib/*"]}]},
        {"event": "symbols_loaded", "filters": [{"field": "data.symbols", "op": "=", "values": ["b"]}]},
        {"event": "shared_object_loaded", "filters": [{"field": "data.pathname", "op": "=", "values": ["/x"]}]}]);
    let plan: Plan = serde_json::from_value(serde_json::json!({"policies": [{"rules": rules}]})).expect("a plan");
    let compiled = plan.compile().expect("a good plan");
    let [one, two] = &compiled.watches.loaded[..] else { panic!("two rules") };
    let matched = |path: &[u8], slots| {
        let mut record = record("symbols_loaded", 0, &[], &[(path, 0), (b"a\0", 0), (b"", 0)]);
        record.set_slots(slots, false);
        let event = Event::read(record.as_bytes()).expect("a record");
        compiled.filter.matching(&event, None, Subject::default())
    };
    // rules of one policy do not answer for each other
    assert_eq!((matched(b"/tmp/x.so", one.slot), matched(b"/tmp/x.so", two.slot)), (1, 1));
    assert_eq!((matched(b"/lib/x.so", one.slot), matched(b"/lib/x.so", two.slot)), (0, 1));
    // what the policy asks of the event itself keeps nothing from those that are made of it
    let (base, _) = tracee_core::catalogue::by_name("shared_object_loaded").expect("an event");
    assert_eq!(compiled.needed[usize::from(base)], one.slot | two.slot | 1);
    assert!(!compiled.fields.events.contains_key(&base));
}

#[test]
fn rules_that_narrow_or_repeat_have_slots_of_their_own() {
    let policies = serde_json::json!([
        {"name": "a", "scope": [{"field": "uid", "op": "=", "values": ["0"]}], "rules": [
            {"event": "connect", "filters": [{"field": "comm", "op": "=", "values": ["bash"]}]},
            {"event": "openat", "filters": [{"field": "comm", "op": "=", "values": ["bash"]}]},
            {"event": "openat"}, {"event": "openat", "filters": [{"field": "retval", "op": "<", "values": ["0"]}]}]},
        {"name": "b", "rules": [{"event": "openat"}]}]);
    let plan: Plan = serde_json::from_value(serde_json::json!({"policies": policies})).expect("a plan");
    let compiled = plan.compile().expect("a good plan");
    let wanted = |event| compiled.wanted[usize::from(tracee_core::catalogue::by_name(event).expect("an event").0)];
    // slots 0 and 1 are the policies' own, 2 is bash, 3 the second rule for openat
    assert_eq!((wanted("connect"), wanted("openat")), (0b100, 0b1111));
    assert_eq!((compiled.scope.numbers[1].used, compiled.scope.texts[0].used), (0b1101, 0b0100));
    let event = record("openat", 3, &[0], &[CWD, (b"x", 0)]);
    let matching = |slots| {
        let mut record = event.clone();
        record.set_slots(slots, false);
        let event = Event::read(record.as_bytes()).expect("a record");
        compiled.filter.matching(&event, None, Subject::default())
    };
    assert_eq!([0b0001, 0b0010, 0b0100, 0b1000, 0b1111].map(matching), [1, 2, 1, 0, 3]);
}

#[test]
fn a_policy_that_stays_keeps_its_slots() {
    let spec = |names: &[&str]| -> Plan {
        let policy = |name: &&str| {
            let bash = serde_json::json!([{"field": "comm", "op": "=", "values": ["bash"]}]);
            let rules = serde_json::json!([{"event": "openat"}, {"event": "openat", "filters": bash}]);
            serde_json::json!({"name": name, "rules": rules})
        };
        let policies: Vec<_> = names.iter().map(policy).collect();
        serde_json::from_value(serde_json::json!({"policies": policies})).expect("a plan")
    };
    let before = spec(&["a", "b", "c"]).compile().expect("a good plan");
    assert_eq!((before.slots.used(), before.slots.kept), (0b11_1111, 0));
    let after = spec(&["new", "c", "b"]).compile_after(Some(&before.slots)).expect("a good plan");
    assert_eq!([1, 2].map(|policy| after.slots.own(policy)), [2, 1]);
    // b and c, each with its narrowed slot; the new one's are new
    assert_eq!(after.slots.kept.count_ones(), 4);
    assert_eq!(after.slots.kept >> after.slots.own(0) & 1, 0);
    assert_eq!(after.slots.used().count_ones(), 6);
}
