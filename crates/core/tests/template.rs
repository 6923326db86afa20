//! What templates make of events.

mod common;

use common::{record, write};
use proptest::prelude::*;
use tracee_core::format::json::Json;
use tracee_core::format::template::{check, GoTemplate};
use tracee_core::format::Shown;
use tracee_core::record::{chunk, Owned};

fn made(text: &str, record: &Owned, parse_arguments: bool) -> String {
    let shown = Shown { parse_arguments, ..Shown::default() };
    let (mut format, failures) = GoTemplate::new(text, shown, "box".into()).expect("a template");
    let out = write(&mut format, record);
    assert_eq!(failures.take(), None, "{out}");
    out
}

fn openat() -> Owned {
    record("openat", -2, &[u64::MAX - 99, 0, 0o101, 0o644], &[(b"", chunk::NULL), (b"/etc/pass\nwd\xff\\", 0)])
}

#[test]
fn fields_by_their_names_in_go() {
    for (text, expected) in [
        ("{{.Timestamp}},{{.ProcessID}},{{.EventName}},{{.Container.Name}}", "1700000007000000000,10,openat,\n"),
        (
            "{{.ThreadID}} {{.ParentProcessID}} {{.HostProcessID}} {{.HostThreadID}} {{.HostParentProcessID}}\n",
            "11 9 1000 1001 999\n",
        ),
        (
            "{{.UserID}} {{.ProcessName}} {{.ReturnValue}} {{.EventID}} {{.HostName}} {{.ProcessorID}} {{.ArgsNum}}",
            "33 bash -2 257 box 1 4\n",
        ),
        ("{{with .Container}}{{.ID}}{{.Image}}{{.ImageName}}{{end}}{{.ContainerID}}{{.Kubernetes.PodName}}|", "|\n"),
        (
            "{{range .Args}}{{.Name}}={{.Value}};{{end}}",
            "dirfd=-100;pathname=/etc/pass\\x0awd\\xff\\\\;flags=65;mode=420;\n",
        ),
        ("{{range .Args}}{{.ArgName}}({{.Type}}){{end}}", "dirfd(int)pathname(const char*)flags(int)mode(mode_t)\n"),
        ("{{.Data.pathname | trunc 4}} {{.Data.nothing}} {{default \"-\" .Data.nothing}}", "/etc <no value> -\n"),
        ("{{if lt .ReturnValue 0}}failed{{end}}", "failed\n"),
        ("{{if eq .EventName \"openat\" \"open\"}}{{end}}", ""),
        ("{{json .Policies}} {{len .MatchedPolicies}}", "[] 0\n"),
        ("{{(index .Args 1).Value | base | upper | quote}}", "\"PASS\\\\X0AWD\\\\XFF\\\\\\\\\"\n"),
        (
            "{{dateInZone \"2006-01-02T15:04:05.000000000Z07:00\" .Timestamp \"UTC\"}}",
            "2023-11-14T22:13:27.000000000Z\n",
        ),
        ("a\nb\n\n", "a\nb\n\n"),
    ] {
        assert_eq!(made(text, &openat(), false), expected, "{text}");
    }
    assert_eq!(made("{{.ReturnValue}} {{.Data.flags}}", &openat(), true), "-ENOENT O_WRONLY|O_CREAT\n");
    let exec = record("execve", 0, &[], &[(b"/bin/ls", 0), (b"ls\0-la\0/tmp\0", 0), (b"", 0)]);
    assert_eq!(made("{{join \" \" .Data.argv}} {{index .Data.argv 1}}", &exec, false), "ls -la /tmp -la\n");
}

#[test]
fn a_whole_event_is_its_line_of_json() {
    let json = write(&mut Json::new(Shown::default()), &openat());
    assert_eq!(made("{{json .}}", &openat(), false), json);
    assert_eq!(made("{{. | toRawJson}}", &openat(), false), json);
}

#[test]
fn mistakes_are_told_before_anything_is_traced() {
    for (text, line, message) in [
        ("{{.EventNam}}", 1, "no field .EventNam (nearest: EventName)"),
        ("\n{{range .Args}}{{.Nam}}{{end}}", 2, "no field .Nam (nearest: Name)"),
        ("{{.Container.Imag}}", 1, "no field .Imag (nearest: Image)"),
        ("\n\n{{.EventName | uper}}", 3, "unknown function \"uper\" (nearest: upper)"),
    ] {
        let error = check(text).expect_err(text);
        assert_eq!((error.line, error.message.as_str()), (line, message));
    }
}

#[test]
fn an_error_while_running_is_told_in_the_line_and_counted() {
    let text = "{{.EventName}}\n{{index .Args 9}}";
    let (mut format, failures) = GoTemplate::new(text, Shown::default(), String::new()).expect("a template");
    for _ in 0..2 {
        let out = write(&mut format, &openat());
        assert_eq!(out, "openat\n<template: line 2: index: 9 is beyond the 4 of the list>\n");
    }
    let (count, error) = failures.take().expect("it failed");
    assert_eq!((count, error.line), (2, 2));
    assert_eq!(failures.take(), None);
}

proptest! {
    /// Whatever a program writes into a name: no template of one line makes two of it, and nothing that acts on a terminal.
    #[test]
    fn one_line_an_event(path in proptest::collection::vec(any::<u8>(), 0..64)) {
        let record = record("openat", 0, &[], &[(b"", chunk::NULL), (&path, 0)]);
        for text in ["{{range .Args}}{{.Value}},{{end}}", "{{json .Args}}", "{{printf \"%q %v\" .Data.pathname .Args}}"] {
            let out = made(text, &record, true);
            prop_assert!(out.ends_with('\n') && !out.trim_end_matches('\n').contains(char::is_control), "{out:?}");
        }
    }

    /// No text is a template that crashes.
    #[test]
    fn any_text(text in "[{}.$a-z0-9 |()\"`:=,/*-]{0,40}") {
        let _ = check(&text);
        let _ = check(&format!("{{{{{text}}}}}"));
    }
}
