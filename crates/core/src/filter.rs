//! What is left to test of an event once the kernel has let it through.

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::catalogue::{self, nearest_hint, Arg, Kind, Names, EVENTS};
use crate::event::Event;
use crate::names::{self, Named};
use crate::pattern::Pattern;
use crate::predicate::{Op, Predicate};
use crate::scope::{Scope, TextTest, TEXT_MAX};
use crate::text;
use crate::value::{SockAddr, Value};

/// The rules of all policies, by event.
#[derive(Debug, Default)]
pub struct Filter {
    rules: Vec<Vec<Rule>>,
    scope_tests: Vec<ScopeTest>,
}

/// Part of a scope that the kernel may have left open.
#[derive(Debug)]
struct ScopeTest {
    policy: u64,
    key: &'static str,
    /// The kernel never decides this one; the others only for texts longer than its tables hold.
    always: bool,
    test: TextTest,
}

/// The filters of one policy on one event: all its fields must pass.
#[derive(Debug)]
pub struct Rule {
    policy: usize,
    fields: FxHashMap<Field, FieldTest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Field {
    Arg(usize),
    Return,
}

/// `=` values and the range are alternatives; no `!=` value may hold.
#[derive(Debug, Default)]
struct FieldTest {
    yes: Vec<Test>,
    no: Vec<Test>,
    min: Option<i128>,
    max: Option<i128>,
}

#[derive(Debug)]
enum Test {
    Text(Pattern),
    Net(IpNet),
    Number(i128),
    Named(Named),
}

impl Filter {
    pub fn new() -> Filter {
        Filter { rules: EVENTS.iter().map(|_| Vec::new()).collect(), scope_tests: Vec::new() }
    }

    pub fn add(&mut self, event: u16, rule: Rule) {
        self.rules[usize::from(event)].push(rule);
    }

    pub fn take_scope_tests(&mut self, scope: &Scope) {
        for (&(policy, key), test) in &scope.tests {
            let bit = 1 << policy;
            let always = scope.texts[key].undecided & bit != 0;
            let key = crate::scope::TEXT_KEYS[key];
            self.scope_tests.push(ScopeTest { policy: bit, key, always, test: test.clone() });
        }
    }

    /// The policies that the event matches, of those that the kernel let through. `executable`: the path, where known.
    pub fn matching(&self, event: &Event, executable: Option<&[u8]>) -> u64 {
        let mut policies = event.head.policies;
        for test in &self.scope_tests {
            let text = if test.key == "comm" { Some(event.head.task.comm()) } else { executable };
            let open = test.always || text.is_some_and(|t| t.len() > TEXT_MAX);
            if open && text.is_some_and(|text| !test.test.holds(text)) {
                policies &= !test.policy;
            }
        }
        let rules = &self.rules[usize::from(event.head.event)];
        if rules.iter().all(|rule| rule.fields.is_empty()) {
            return policies;
        }
        let passed = rules.iter().filter(|r| policies >> r.policy & 1 != 0 && r.passes(event));
        passed.fold(0, |all, rule| all | 1 << rule.policy)
    }
}

impl Rule {
    pub fn new(policy: usize) -> Rule {
        Rule { policy, fields: FxHashMap::default() }
    }

    fn passes(&self, event: &Event) -> bool {
        self.fields.iter().all(|(field, test)| match field {
            Field::Return => test.passes(Value::Int(event.head.ret)),
            Field::Arg(index) => test.passes(event.value(*index)),
        })
    }

    /// Adds a filter on `data.ARGUMENT` or `retval`.
    ///
    /// # Errors
    /// A field that the event lacks, an operator or a value that the field cannot take: one line.
    pub fn add(&mut self, event: &catalogue::Event, predicate: &Predicate) -> Result<(), String> {
        let name = predicate.field.as_str();
        if predicate.op == Op::Alone || predicate.values.is_empty() {
            return Err(format!("{name} needs a value, such as {name}=..."));
        }
        let (field, arg) = if name == "retval" {
            (Field::Return, None)
        } else {
            let arg = name.strip_prefix("data.").and_then(|arg| event.args.iter().position(|a| a.name == arg));
            let Some(index) = arg else {
                let known: Vec<String> = event.args.iter().map(|a| format!("data.{}", a.name)).collect();
                let hint = nearest_hint(name, known.iter().map(String::as_str).chain(["retval"]));
                return Err(format!("{} has no field {name:?}{hint}", event.name));
            };
            (Field::Arg(index), Some(&event.args[index]))
        };
        let test = self.fields.entry(field).or_default();
        for word in &predicate.values {
            test.add(name, arg, predicate.op, word)?;
        }
        Ok(())
    }
}

impl FieldTest {
    fn add(&mut self, name: &str, arg: Option<&Arg>, op: Op, word: &str) -> Result<(), String> {
        let kind = arg.map_or(Kind::I64, |a| a.kind);
        let textual = matches!(kind, Kind::String | Kind::StringList | Kind::SockAddr | Kind::Symbols);
        let side = match op {
            Op::Equal => &mut self.yes,
            Op::NotEqual => &mut self.no,
            _ if textual => return Err(format!("{name} is text: it takes = and != only")),
            _ => {
                let value = whole_number(kind, word).ok_or_else(|| format!("{name}: {word:?} is no number"))?;
                match op {
                    Op::Less => self.max = Some(self.max.map_or(value - 1, |m| m.min(value - 1))),
                    Op::AtMost => self.max = Some(self.max.map_or(value, |m| m.min(value))),
                    Op::Greater => self.min = Some(self.min.map_or(value + 1, |m| m.max(value + 1))),
                    _ => self.min = Some(self.min.map_or(value, |m| m.max(value))),
                }
                return Ok(());
            }
        };
        side.push(match kind {
            Kind::String => Test::Text(Pattern::new(word)),
            Kind::StringList | Kind::Symbols => Test::Text(Pattern::containing(word)),
            Kind::SockAddr => match word.parse() {
                Ok(net) => Test::Net(net),
                Err(_) => Test::Text(Pattern::new(word)),
            },
            _ => match whole_number(kind, word) {
                Some(value) => Test::Number(value),
                None => Test::Named(named(arg, word).map_err(|e| format!("{name}: {e}"))?),
            },
        });
        Ok(())
    }

    fn passes(&self, value: Value) -> bool {
        let ranged = self.min.is_some() || self.max.is_some();
        let positive = ranged || !self.yes.is_empty();
        let in_range = || {
            ranged
                && number_of(&value)
                    .is_some_and(|n| self.min.is_none_or(|min| n >= min) && self.max.is_none_or(|max| n <= max))
        };
        (!positive || self.yes.iter().any(|t| t.holds(&value)) || in_range())
            && !self.no.iter().any(|t| t.holds(&value))
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Test::Text(pattern), Value::Text(text)) => pattern.matches(&text.whole()),
            (Test::Text(pattern), Value::List(list)) => list.iter().any(|item| pattern.matches(item)),
            (Test::Text(pattern), Value::SockAddr(address)) => {
                address_texts(address).iter().any(|text| pattern.matches(text))
            }
            (Test::Text(pattern), Value::Symbols(symbols)) => {
                symbols.iter().any(|s| [s.name, s.symbol, s.owner].iter().any(|text| pattern.matches(text)))
            }
            (Test::Net(net), Value::SockAddr(SockAddr::Inet { address, .. })) => net.contains(&IpAddr::V4(*address)),
            (Test::Net(net), Value::SockAddr(SockAddr::Inet6 { address, .. })) => {
                // a mapped address is the IPv4 address that it carries
                net.contains(&IpAddr::V6(*address))
                    || address.to_ipv4_mapped().is_some_and(|address| net.contains(&IpAddr::V4(address)))
            }
            (Test::Text(_) | Test::Net(_), _) => false,
            (test, Value::Numbers(numbers)) => numbers.iter().any(|number| test.holds(&Value::Uint(number))),
            (Test::Number(number), Value::FdPair(pair)) => pair.iter().any(|fd| i128::from(*fd) == *number),
            (Test::Number(number), value) => number_of(value) == Some(*number),
            (Test::Named(named), value) => number_of(value).is_some_and(|number| {
                let bits = number as u64;
                match *named {
                    Named::Is(is) => number == i128::from(is),
                    Named::Has(flags) => bits & flags == flags,
                    Named::Part { mask, value } => bits & mask == value,
                }
            }),
        }
    }
}

/// A word as the number that an argument of this kind is compared by; times in ns, written in seconds.
fn whole_number(kind: Kind, word: &str) -> Option<i128> {
    match kind {
        Kind::Bool => match word {
            "true" => Some(1),
            "false" => Some(0),
            _ => names::number(word),
        },
        Kind::Timespec => word.parse::<f64>().ok().map(|seconds| (seconds * 1e9) as i128),
        _ => names::number(word),
    }
}

fn number_of(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(b) => Some(i128::from(*b)),
        Value::Int(i) => Some(i128::from(*i)),
        Value::Uint(u) | Value::Pointer(u) => Some(i128::from(*u)),
        Value::Timespec(t) => Some(i128::from(t.seconds) * 1_000_000_000 + i128::from(t.nanoseconds)),
        _ => None,
    }
}

/// A word that is no number, by the names of the argument's values; of a return value, by those of errors.
fn named(arg: Option<&Arg>, word: &str) -> Result<Named, String> {
    match arg.map(|a| &a.names) {
        Some(Names::Family(family)) => names::parse(*family, word),
        // by any of the families it may be of
        Some(Names::By { cases, .. }) => {
            let all: Vec<_> = cases.iter().map(|(_, family)| names::parse(*family, word)).collect();
            let first_error = all.first().cloned();
            all.into_iter().find(Result::is_ok).or(first_error).unwrap_or_else(|| Err("has no names".into()))
        }
        Some(Names::None) => Err(format!("{word:?} is no number")),
        None => match names::parse(catalogue::family::ERRNO, word.trim_start_matches('-')) {
            Ok(Named::Is(errno)) => Ok(Named::Is(-errno)),
            other => other,
        },
    }
}

/// What an address may be called in a filter: alone, and with its port.
fn address_texts(address: &SockAddr) -> Vec<Vec<u8>> {
    match address {
        SockAddr::Inet { address, port } => vec![address.to_string().into(), format!("{address}:{port}").into()],
        SockAddr::Inet6 { address, port, .. } => {
            vec![address.to_string().into(), format!("[{address}]:{port}").into()]
        }
        SockAddr::Unix { abstract_name: true, path } => vec![[b"@", *path].concat()],
        SockAddr::Unix { path, .. } => vec![path.to_vec(), text::escape(path).into()],
        _ => Vec::new(),
    }
}
