//! Plans: what they refuse, what the kernel is told, what is left to test here.

mod common;

use common::record;
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
    compiled.filter.matching(&Event::read(record.as_bytes()).expect("a record"), None) == 1
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
    let scope = plan("openat", &["pid>1000", "pid<=2000", "pid!=1500", "comm=nginx,a-name-of-twenty-x"], &[])
        .expect("good")
        .scope;
    let pid = &scope.numbers[0];
    assert_eq!((pid.used, pid.positive, pid.ranged, pid.min[0], pid.max[0]), (1, 1, 1, 1001, 2000));
    assert_eq!(scope.number_verdicts[&(0, 1500)].no, 1);
    // the kernel keeps 15 bytes of a name
    let names: Vec<&[u8]> = scope.exact.keys().map(|(_, text)| text.as_slice()).collect();
    assert_eq!(names, [b"a-name-of-twent".as_slice(), b"nginx"]);
    assert_eq!((scope.policies, scope.scoped), (1, 1));
    let only_not = plan("openat", &["uid!=0"], &[]).expect("good").scope;
    assert_eq!((only_not.numbers[1].used, only_not.numbers[1].positive), (1, 0));
    // the longest prefix speaks for those that it contains
    let nested = plan("openat", &["executable=/usr/*", "executable!=/usr/bin/*"], &[]).expect("good").scope;
    let longest = nested.prefixes[&(1, b"/usr/bin/".to_vec())];
    assert_eq!((longest.yes, longest.no), (1, 1));
    let suffix = plan("openat", &["executable=*.so"], &[]).expect("good").scope;
    assert!(suffix.suffixes.contains_key(&(1, b"os.".to_vec())));
    let open = plan("openat", &["executable=*mid*"], &[]).expect("good");
    assert_eq!(open.scope.texts[1].undecided, 1);
    let event = record("openat", 3, &[0], &[CWD, (b"x", 0)]);
    let event = Event::read(event.as_bytes()).expect("a record");
    assert_eq!(open.filter.matching(&event, Some(b"/a/mid/b")), 1);
    assert_eq!(open.filter.matching(&event, Some(b"/a/b")), 0);
}

#[test]
fn at_most_64_policies() {
    let policies: Vec<_> =
        (0..65).map(|i| serde_json::json!({"name": format!("p{i}"), "rules": [{"event": "openat"}]})).collect();
    let plan: Plan = serde_json::from_value(serde_json::json!({"policies": policies})).expect("a plan");
    assert_eq!(plan.compile().expect_err("refused")[0].message, "65 policies: at most 64 fit");
    let plan: Plan = serde_json::from_value(serde_json::json!({"policies": policies[..64]})).expect("a plan");
    assert_eq!(plan.compile().expect("64 fit").scope.policies, u64::MAX);
}
