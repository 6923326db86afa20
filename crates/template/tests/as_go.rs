//! Templates make the same text as Go's own (`go/main.go` wrote `expected.json`).

use serde_json::Value as Json;
use tracee_template::{Error, Shape, Template, Value};

/// Go refuses these; here they have a sense.
const MORE_THAN_GO: [&str; 3] = [
    "{{eq 1 1.0}}",
    // that library's own takes lists alone
    "{{slice .Policies 0 1}} {{slice .EventName 2}}",
    "{{len .Args}} {{slice .EventName 1 3}}",
];

fn value(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), Value::Int),
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(value).collect()),
        Json::Object(entries) => Value::map(entries.iter().map(|(key, item)| (key.as_str().into(), value(item)))),
    }
}

fn run(text: &str, dot: &Json) -> Result<String, Error> {
    let mut out = Vec::new();
    Template::parse(text, &Shape::Any)?.run(&value(dot), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_same_text_as_go() {
    let cases: Json = serde_json::from_str(include_str!("cases.json")).unwrap();
    let expected: Vec<Option<String>> = serde_json::from_str(include_str!("expected.json")).unwrap();
    let templates = cases["templates"].as_array().unwrap();
    assert_eq!(templates.len(), expected.len());
    let mut wrong = Vec::new();
    for (text, expected) in templates.iter().zip(&expected) {
        let text = text.as_str().unwrap();
        let made = run(text, &cases["dot"]);
        if made.as_ref().ok() != expected.as_ref() && !MORE_THAN_GO.contains(&text) {
            wrong.push(format!("{text}\n  Go: {expected:?}\n  we: {made:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn error(text: &str) -> String {
    static ARG: Shape = Shape::Fields(&[("Name", Shape::Plain), ("Value", Shape::Any)]);
    static DOT: Shape = Shape::Fields(&[
        ("EventName", Shape::Plain),
        ("Container", Shape::Fields(&[("Name", Shape::Plain)])),
        ("Args", Shape::List(&ARG)),
    ]);
    Template::parse(text, &DOT).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, expected) in [
        ("a\n{{.EvntName}}", "line 2: no field .EvntName (nearest: EventName)"),
        ("{{range .Args}}\n{{.Nme}}{{end}}", "line 2: no field .Nme (nearest: Name)"),
        ("{{range $i, $a := .Args}}{{$a.Nam}}{{end}}", "line 1: no field .Nam (nearest: Name)"),
        ("{{with .Container}}{{.Nam}}{{end}}", "line 1: no field .Nam (nearest: Name)"),
        ("{{.Args.Name}}", "line 1: .Name is asked of a list: range goes through it"),
        ("{{.EventName.X}}", "line 1: what .X is asked of has no fields"),
        ("\n\n{{.EventName | uper}}", "line 3: unknown function \"uper\" (nearest: upper)"),
        ("{{$evnt}}{{$event := 1}}", "line 1: unknown variable $evnt"),
        ("{{template \"x\"}}", "line 1: unknown template \"x\""),
        ("{{if .EventName}}\n\nx", "line 1: this if has no {{end}}"),
        ("x{{end}}", "line 1: {{end}} ends nothing"),
        ("{{break}}", "line 1: break outside of range"),
        ("{{upper}}", "line 1: upper takes 1 arguments, and has 0"),
        ("{{.EventName | contains}}", "line 1: contains takes 2 arguments, and has 1"),
        ("\n{{\"a}}", "line 2: this string has no closing \""),
        ("\n{{ .EventName", "line 2: this action has no }}"),
        ("{{(1}}", "line 1: a ( is not closed"),
        ("{{define \"t\"}}{{.Nam}}{{end}}{{template \"t\" .Container}}", "line 1: no field .Nam (nearest: Name)"),
        ("{{1x}}", "line 1: \"1x\" is no number"),
        ("{{~}}", "line 1: '~' does not belong into an action"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    let deep = "{{if 1}}".repeat(200);
    assert_eq!(error(&deep), "line 1: more than 100 levels, one in another");
}

#[test]
fn what_would_not_end_ends() {
    let dot = Json::Null;
    for text in [
        "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}",
        "{{range 1000000000}}{{end}}",
        "{{range 99}}{{range 999}}{{printf \"%9999d\" 1}}{{end}}{{end}}",
        "{{repeat 999999999 \"a\"}}",
        "{{until 999999999}}",
    ] {
        assert!(run(text, &dot).is_err(), "{text}");
    }
}
