//! What one rule asks of one event: fields, and the values that they may have.

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::catalogue::{self, nearest_hint, Kind, Names, Type};
use crate::containers::{conditions, Condition, Subject};
use crate::event::Event;
use crate::names::{self, Named};
use crate::pattern::Pattern;
use crate::predicate::{Op, Predicate};
use crate::record::TaskContext;
use crate::scope::{comm_pattern, NUMBER_KEYS, TEXT_KEYS};
use crate::text;
use crate::tree::{Node, Path, Tree};
use crate::value::{SockAddr, Text, Value};

/// What one rule of a policy asks of one event: all its fields must pass.
#[derive(Debug)]
pub struct Rule {
    pub(super) policy: usize,
    pub(crate) slot: usize,
    pub(crate) fields: FxHashMap<FieldOf, FieldTest>,
    container: Option<Condition>,
    /// Ways to the parts of arguments that it names.
    paths: Vec<Path>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FieldOf {
    Arg(usize),
    /// A part of an argument: `path` is a place in the rule's own list.
    Part {
        arg: usize,
        path: usize,
    },
    Return,
    Task(TaskField),
}

/// What a record tells of its task, and rules may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TaskField {
    Pid,
    Uid,
    MountNs,
    PidNs,
    Comm,
    Executable,
}

/// The scope keys that a rule may have among its filters.
pub fn rule_keys() -> impl Iterator<Item = &'static str> {
    NUMBER_KEYS.into_iter().chain(TEXT_KEYS).filter(|key| *key != "tree").chain(conditions::words())
}

/// `=` values and the range are alternatives; no `!=` value may hold.
#[derive(Debug, Default)]
pub(crate) struct FieldTest {
    pub yes: Vec<Test>,
    pub no: Vec<Test>,
    min: Option<i128>,
    max: Option<i128>,
}

#[derive(Debug)]
pub(crate) enum Test {
    Text(Pattern),
    Net(IpNet),
    Number(i128),
    Named(Named),
}

impl TaskField {
    fn named(key: &str) -> Option<TaskField> {
        Some(match key {
            "pid" => TaskField::Pid,
            "uid" => TaskField::Uid,
            "mntns" => TaskField::MountNs,
            "pidns" => TaskField::PidNs,
            "comm" => TaskField::Comm,
            "executable" => TaskField::Executable,
            _ => return None,
        })
    }

    fn kind(self) -> Kind {
        match self {
            TaskField::Comm | TaskField::Executable => Kind::String,
            _ => Kind::U32,
        }
    }

    fn value<'a>(self, task: &'a TaskContext, executable: Option<&'a [u8]>) -> Value<'a> {
        let number = |number: u32| Value::Uint(number.into());
        match self {
            TaskField::Pid => number(task.host_pid),
            TaskField::Uid => number(task.uid),
            TaskField::MountNs => number(task.mount_ns),
            TaskField::PidNs => number(task.pid_ns),
            TaskField::Comm => Value::Text(Text::of(task.comm())),
            TaskField::Executable => executable.map_or(Value::Null, |path| Value::Text(Text::of(path))),
        }
    }
}

impl Rule {
    /// `slot`: the bit by which the kernel lets its events through.
    pub fn new(policy: usize, slot: usize) -> Rule {
        Rule { policy, slot, fields: FxHashMap::default(), container: None, paths: Vec::new() }
    }

    /// The slot alone decides it.
    pub(super) fn is_plain(&self) -> bool {
        self.fields.is_empty() && self.container.is_none() && self.slot == self.policy
    }

    pub(super) fn passes(&self, event: &Event, executable: Option<&[u8]>, subject: Subject) -> bool {
        let by_cgroup = event.head.task.cgroup_id != 0;
        if by_cgroup && self.container.as_ref().is_some_and(|condition| !condition.holds(subject)) {
            return false;
        }
        self.fields.iter().all(|(field, test)| match field {
            FieldOf::Return => test.passes(&[Value::Int(event.head.ret)]),
            FieldOf::Task(field) => test.passes(&[field.value(&event.head.task, executable)]),
            FieldOf::Part { arg, path } => test.passes(&parts(event.value(*arg), &self.paths[*path])),
            FieldOf::Arg(index) => match event.info.args[*index].also {
                None => test.passes(&[event.value(*index)]),
                Some(also) => test.passes(&[event.value(*index), event.value(also)]),
            },
        })
    }

    /// Adds a condition on the task to those of the event: for a rule whose slot's scope does not say it.
    ///
    /// # Errors
    /// A key that a record does not tell, a value that is none: one line.
    pub fn add_task(&mut self, predicate: &Predicate) -> Result<(), String> {
        let name = predicate.field.as_str();
        if conditions::words().any(|word| word == name) {
            return self.container.get_or_insert_default().add(predicate);
        }
        let Some(field) = TaskField::named(name) else {
            return Err(format!("{name}: too many different scopes, no more than {} fit", crate::scope::MAX_POLICIES));
        };
        let test = self.fields.entry(FieldOf::Task(field)).or_default();
        for word in &predicate.values {
            match (field, predicate.op) {
                (TaskField::Comm, Op::Equal) => test.yes.push(Test::Text(comm_pattern(word))),
                (TaskField::Comm, Op::NotEqual) => test.no.push(Test::Text(comm_pattern(word))),
                _ => test.add(name, field.kind(), None, predicate.op, word)?,
            }
        }
        Ok(())
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
        let (field, kind, names) = self.find(event, name)?;
        let test = self.fields.entry(field).or_default();
        for word in &predicate.values {
            test.add(name, kind, names.as_ref(), predicate.op, word)?;
        }
        Ok(())
    }

    /// What `retval`, `data.ARGUMENT` or `data.ARGUMENT.PART` stands for, what it is compared as, and its names.
    fn find(&mut self, event: &catalogue::Event, name: &str) -> Result<(FieldOf, Kind, Option<Names>), String> {
        if name == "retval" {
            return Ok((FieldOf::Return, Kind::I64, None));
        }
        let words = name.strip_prefix("data.").unwrap_or_default();
        // names of arguments may have dots themselves
        let place = |word| event.args.iter().position(|arg| arg.name == word);
        let (arg, part) = match (place(words), words.split_once('.')) {
            (None, Some((word, part))) => (place(word), part),
            (whole, _) => (whole, ""),
        };
        let found = arg.and_then(|index| match event.args[index].kind {
            Kind::Tree(of) => {
                let path = Path::new(of, part)?;
                let (kind, names) = match path.leaf {
                    Type::Number(Some(family)) => (Kind::I64, Names::Family(*family)),
                    Type::Address => (Kind::Address, Names::None),
                    Type::Text if path.of_list => (Kind::StringList, Names::None),
                    Type::Text => (Kind::String, Names::None),
                    _ => (Kind::I64, Names::None),
                };
                let at = self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
                    self.paths.push(path);
                    self.paths.len() - 1
                });
                Some((FieldOf::Part { arg: index, path: at }, kind, Some(names)))
            }
            kind => part.is_empty().then_some((FieldOf::Arg(index), kind, Some(event.args[index].names))),
        });
        found.ok_or_else(|| {
            let data = event.args.iter().flat_map(|arg| arg.fields());
            let known: Vec<String> = data.chain(["retval".into()]).chain(rule_keys().map(str::to_owned)).collect();
            let hint = nearest_hint(name, known.iter().map(String::as_str));
            format!("{} has no field {name:?}{hint}", event.name)
        })
    }
}

impl FieldTest {
    fn add(&mut self, name: &str, kind: Kind, names: Option<&Names>, op: Op, word: &str) -> Result<(), String> {
        let textual = matches!(kind, Kind::String | Kind::StringList | Kind::SockAddr | Kind::Symbols | Kind::Address);
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
            Kind::Address => match word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from)) {
                Ok(net) => Test::Net(net),
                Err(_) => Test::Text(Pattern::new(word)),
            },
            Kind::Raw => return Err(format!("{name} is bytes, which filters do not compare")),
            _ => match whole_number(kind, word) {
                Some(value) => Test::Number(value),
                None => Test::Named(named(names, word).map_err(|e| format!("{name}: {e}"))?),
            },
        });
        Ok(())
    }

    /// Something has to match.
    pub fn is_positive(&self) -> bool {
        self.range().is_some() || !self.yes.is_empty()
    }

    pub fn range(&self) -> Option<(i128, i128)> {
        let ranged = self.min.is_some() || self.max.is_some();
        ranged.then(|| (self.min.unwrap_or(i128::MIN), self.max.unwrap_or(i128::MAX)))
    }

    /// `values`: of a field that goes by several; one of them has to match, and none may that is left out.
    fn passes(&self, values: &[Value]) -> bool {
        let in_range = |value| self.range().zip(number_of(value)).is_some_and(|((min, max), n)| min <= n && n <= max);
        let matches = |value| in_range(value) || self.yes.iter().any(|t| t.holds(value));
        (!self.is_positive() || values.iter().any(matches))
            && !values.iter().any(|value| self.no.iter().any(|t| t.holds(value)))
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Test::Text(pattern), Value::Text(text)) => {
                // a deleted file is still the file of that path
                pattern.matches(&text.whole()) || !text.suffix.is_empty() && pattern.matches(text.bytes)
            }
            (Test::Text(pattern), Value::List(list)) => list.iter().any(|item| pattern.matches(item)),
            (Test::Text(pattern), Value::SockAddr(address)) => {
                address_texts(address).iter().any(|text| pattern.matches(text))
            }
            (Test::Text(pattern), Value::Symbols(symbols)) => {
                symbols.iter().any(|s| [s.name, s.symbol, s.owner].iter().any(|text| pattern.matches(text)))
            }
            (Test::Text(pattern), Value::Address(address)) => pattern.matches(address.to_string().as_bytes()),
            (Test::Net(net), Value::SockAddr(SockAddr::Inet { address, .. })) => is_in(net, (*address).into()),
            (Test::Net(net), Value::SockAddr(SockAddr::Inet6 { address, .. })) => is_in(net, (*address).into()),
            (Test::Net(net), Value::Address(address)) => is_in(net, *address),
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

/// A mapped address is the IPv4 address that it carries, too.
fn is_in(net: &IpNet, address: IpAddr) -> bool {
    net.contains(&address) || net.contains(&address.to_canonical())
}

/// What stands at the end of a path, as values.
fn parts<'a>(value: Value<'a>, path: &Path) -> SmallVec<[Value<'a>; 4]> {
    let mut found = SmallVec::new();
    if let Value::Tree(tree) = value {
        path.follow(tree, &mut |part: Tree<'a>| {
            found.extend(match part.node() {
                Node::Number(number) => {
                    i64::try_from(number).map(Value::Int).or_else(|_| number.try_into().map(Value::Uint)).ok()
                }
                Node::Text(text) => Some(Value::Text(Text::of(text))),
                Node::Address(address) => Some(Value::Address(address)),
                _ => None,
            });
        });
    }
    found
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
fn named(names: Option<&Names>, word: &str) -> Result<Named, String> {
    match names {
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
