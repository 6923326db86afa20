//! What scopes and rules ask of the container that a task is in. Core decides it, once for each container and plan: a bit
//! for each slot. The kernel side only looks the bits up, so the two cannot differ.

use std::collections::BTreeMap;

use super::details::Details;
use super::image::ImagePattern;
use crate::pattern::Pattern;
use crate::predicate::{Op, Predicate};

/// Keys that take values. The first may stand alone, too.
pub const KEYS: [&str; 6] = ["container", "containerName", "containerImage", "podName", "podNamespace", "podUid"];
/// Any container, and none.
pub const INSIDE: &str = "container";
pub const OUTSIDE: &str = "not-container";

/// All words that may begin a condition.
pub fn words() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().chain([OUTSIDE])
}

/// The container of a task, and how much of it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// `None`: the host.
    pub container: Option<&'a Details>,
    /// What its runtime tells is still to come. What it may bring about passes.
    pub open: bool,
}

/// What one slot, or one rule, asks.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    inside: bool,
    outside: bool,
    /// By [`KEYS`].
    tests: BTreeMap<usize, Test>,
}

#[derive(Debug, Clone, Default)]
struct Test {
    yes: Vec<Word>,
    no: Vec<Word>,
}

#[derive(Debug, Clone)]
enum Word {
    Text(Pattern),
    Image(ImagePattern),
}

impl Word {
    fn new(key: &str, word: &str) -> Word {
        match key {
            "containerImage" => Word::Image(ImagePattern::new(word)),
            // the start of an id is enough
            INSIDE if !word.contains('*') => Word::Text(Pattern::new(&format!("{word}*"))),
            _ => Word::Text(Pattern::new(word)),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Word::Text(pattern) => pattern.matches(text.as_bytes()),
            Word::Image(pattern) => pattern.matches(text),
        }
    }
}

impl Condition {
    /// # Errors
    /// An operator that the key does not take: one line.
    pub fn add(&mut self, predicate: &Predicate) -> Result<(), String> {
        let field = predicate.field.as_str();
        match (field, predicate.op) {
            (INSIDE, Op::Alone) => self.inside = true,
            (OUTSIDE, Op::Alone) => self.outside = true,
            (OUTSIDE, _) => return Err(format!("{field} takes no value")),
            (_, Op::Alone) => return Err(format!("{field} needs a value, such as {field}=...")),
            (_, Op::Equal | Op::NotEqual) => {
                let key =
                    KEYS.iter().position(|key| *key == field).ok_or_else(|| format!("unknown scope {field:?}"))?;
                let test = self.tests.entry(key).or_default();
                let words = predicate.values.iter().map(|word| Word::new(field, word));
                (if predicate.op == Op::Equal { &mut test.yes } else { &mut test.no }).extend(words);
            }
            _ => return Err(format!("{field} takes = and != only")),
        }
        Ok(())
    }

    /// Whether it holds. A task of the host is in no container and no pod: no `=` holds there, and every `!=`.
    pub fn holds(&self, subject: Subject) -> bool {
        let is_inside = subject.container.is_some();
        if self.inside && !is_inside || self.outside && is_inside {
            return false;
        }
        self.tests.iter().all(|(key, test)| test.holds(subject, *key))
    }

    /// Whether it asks for what only runtimes tell.
    pub fn asks_runtime(&self) -> bool {
        self.tests.keys().any(|key| !matches!(KEYS[*key], INSIDE | "podUid"))
    }
}

impl Test {
    fn holds(&self, subject: Subject, key: usize) -> bool {
        let text = subject.container.map_or("", |details| text(details, key));
        if text.is_empty() {
            return subject.open && subject.container.is_some() || self.yes.is_empty();
        }
        (self.yes.is_empty() || self.yes.iter().any(|word| word.matches(text)))
            && !self.no.iter().any(|word| word.matches(text))
    }
}

fn text(details: &Details, key: usize) -> &str {
    let known = &details.metadata;
    match KEYS[key] {
        INSIDE => &details.id,
        "containerName" => &known.name,
        "containerImage" => &known.image,
        "podName" => &known.pod_name,
        "podNamespace" => &known.pod_namespace,
        _ => &known.pod_uid,
    }
}

/// The conditions of all slots.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// Slots that have one.
    pub used: u64,
    by_slot: BTreeMap<usize, Condition>,
}

impl Conditions {
    /// # Errors
    /// As [`Condition::add`].
    pub fn add(&mut self, slot: usize, predicate: &Predicate) -> Result<(), String> {
        self.by_slot.entry(slot).or_default().add(predicate)?;
        self.used |= 1 << slot;
        Ok(())
    }

    /// The slots whose condition holds, or that have none.
    pub fn passed(&self, subject: Subject) -> u64 {
        let held = self.by_slot.iter().filter(|(_, condition)| condition.holds(subject));
        held.fold(!self.used, |all, (slot, _)| all | 1 << slot)
    }

    /// Whether any asks for what only runtimes tell.
    pub fn ask_runtime(&self) -> bool {
        self.by_slot.values().any(Condition::asks_runtime)
    }
}

#[cfg(test)]
mod tests {
    use super::super::details::Metadata;
    use super::*;

    fn predicate(text: &str) -> Predicate {
        let (field, op, values) = match text.split_once("!=") {
            Some((field, values)) => (field, Op::NotEqual, values),
            None => text.split_once('=').map_or((text, Op::Alone, ""), |(field, values)| (field, Op::Equal, values)),
        };
        let values = values.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Predicate { field: field.into(), op, values }
    }

    fn web() -> Details {
        let metadata = Metadata {
            name: "web".into(),
            image: "docker.io/library/nginx:latest".into(),
            pod_name: "nginx-7".into(),
            pod_namespace: "production".into(),
            ..Metadata::default()
        };
        Details::new("abc123def456".into(), metadata, 0, 1)
    }

    #[track_caller]
    fn holds(texts: &[&str], subject: Subject) -> bool {
        let mut condition = Condition::default();
        texts.iter().for_each(|text| condition.add(&predicate(text)).expect("a condition"));
        condition.holds(subject)
    }

    const HOST: Subject = Subject { container: None, open: false };

    #[test]
    fn of_a_container() {
        let web = web();
        let subject = Subject { container: Some(&web), open: false };
        for text in [
            "container",
            "container=abc123",
            "container=abc123def456",
            "container=x,abc*",
            "container!=def",
            "containerName=web",
            "containerName!=db",
            "containerImage=nginx",
            "containerImage=nginx:latest",
            "podName=nginx-*",
            "podNamespace=production",
            "podUid!=1",
        ] {
            assert!(holds(&[text], subject), "{text}");
        }
        for text in ["not-container", "container=bc123", "container!=abc", "containerImage=nginx:1", "podUid=1"] {
            assert!(!holds(&[text], subject), "{text}");
        }
        assert!(!holds(&["containerName=web", "podNamespace=test"], subject));
        assert!(!holds(&["container", "not-container"], subject));
    }

    #[test]
    fn of_the_host() {
        assert!(holds(&["not-container"], HOST));
        assert!(holds(&["container!=abc"], HOST));
        assert!(!holds(&["container"], HOST));
        assert!(!holds(&["container", "podName!=x"], HOST));
        assert!(!holds(&["containerName=*"], HOST));
    }

    #[test]
    fn what_is_not_known_yet_passes() {
        let new = Details::new("abc".into(), Metadata::default(), 0, 1);
        let (open, done) =
            (Subject { container: Some(&new), open: true }, Subject { container: Some(&new), open: false });
        assert!(holds(&["containerName=web"], open) && !holds(&["containerName=web"], done));
        assert!(holds(&["containerName!=web"], open) && holds(&["containerName!=web"], done));
        assert!(!holds(&["container=x"], open), "the id is known");
        assert!(!holds(&["not-container"], open));
    }

    #[test]
    fn what_cannot_be() {
        let fails = |text: &str| Condition::default().add(&predicate(text)).expect_err("an error");
        assert_eq!(fails("not-container=x"), "not-container takes no value");
        assert_eq!(fails("podName"), "podName needs a value, such as podName=...");
        let less = Predicate { op: Op::Less, ..predicate("podName=x") };
        assert_eq!(Condition::default().add(&less).expect_err("an error"), "podName takes = and != only");
    }

    #[test]
    fn slots() {
        let mut all = Conditions::default();
        all.add(0, &predicate("container")).expect("a condition");
        all.add(3, &predicate("not-container")).expect("a condition");
        assert!(!all.ask_runtime());
        assert_eq!(all.passed(HOST), !0b1);
        let web = web();
        assert_eq!(all.passed(Subject { container: Some(&web), open: false }), !0b1000);
        all.add(5, &predicate("containerName=db")).expect("a condition");
        assert!(all.ask_runtime());
        assert_eq!(all.passed(Subject { container: Some(&web), open: false }), !0b10_1000);
    }
}
