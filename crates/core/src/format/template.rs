//! `gotemplate=FILE`: each event as a template of Go's language writes it, its fields by their names in Go.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use tracee_template::{Error, Fields, Shape, Template, Value as Field};

use super::json::Json;
use super::{write_name, Context, Format, Shown};
use crate::event::Event;
use crate::names;
use crate::text;
use crate::tree::{Node, Tree};
use crate::value::{SockAddr, Value};

use Shape::{Any, List, Plain};

static ARG: Shape = Shape::Fields(&[
    ("Name", Plain),
    ("ArgName", Plain),
    ("Type", Plain),
    ("ArgType", Plain),
    ("Value", Any),
    ("ArgValue", Any),
    ("Path", Plain),
]);

const CONTAINER: Shape = Shape::Fields(&[
    ("ID", Plain),
    ("Name", Plain),
    ("Image", Plain),
    ("ImageName", Plain),
    ("ImageDigest", Plain),
    ("Labels", Any),
    ("Runtime", Plain),
]);

const KUBERNETES: Shape =
    Shape::Fields(&[("PodName", Plain), ("PodNamespace", Plain), ("PodUID", Plain), ("PodSandbox", Plain)]);

/// What a template may name of an event.
static EVENT: Shape = Shape::Fields(&[
    ("Timestamp", Plain),
    ("ThreadStartTime", Plain),
    ("ProcessorID", Plain),
    ("ProcessID", Plain),
    ("ThreadID", Plain),
    ("ParentProcessID", Plain),
    ("HostProcessID", Plain),
    ("HostThreadID", Plain),
    ("HostParentProcessID", Plain),
    ("UserID", Plain),
    ("MountNS", Plain),
    ("PIDNS", Plain),
    ("CgroupID", Plain),
    ("ProcessName", Plain),
    ("Executable", Shape::Fields(&[("Path", Plain)])),
    ("HostName", Plain),
    ("Ancestors", List(&Plain)),
    ("Container", CONTAINER),
    ("ContainerID", Plain),
    ("Kubernetes", KUBERNETES),
    ("EventID", Plain),
    ("EventName", Plain),
    ("Metadata", Any),
    ("Detection", Any),
    ("Category", Plain),
    ("ReturnValue", Plain),
    ("Args", List(&ARG)),
    ("ArgsNum", Plain),
    ("Data", Any),
    ("Policies", List(&Plain)),
    ("MatchedPolicies", List(&Plain)),
]);

const EVENT_NAMES: [&str; 15] = [
    "Timestamp",
    "ThreadStartTime",
    "ProcessorID",
    "ProcessID",
    "ThreadID",
    "ParentProcessID",
    "UserID",
    "ProcessName",
    "HostName",
    "Container",
    "Kubernetes",
    "EventID",
    "EventName",
    "ReturnValue",
    "Args",
];

/// What went wrong with templates while they ran, for whoever tells it.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    shared: Arc<Mutex<(u64, Option<Error>)>>,
}

impl Failures {
    fn add(&self, error: Error) {
        let mut known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        known.0 += 1;
        known.1.get_or_insert(error);
    }

    /// Events that a template failed on, and what it was the first time; taken away by being asked for.
    pub fn take(&self) -> Option<(u64, Error)> {
        let mut known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, error) = std::mem::take(&mut *known);
        error.map(|error| (count, error))
    }
}

pub struct GoTemplate {
    template: Template,
    shown: Shown,
    json: RefCell<Json>,
    host_name: String,
    failures: Failures,
}

impl GoTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// It does not follow the grammar, or names something that there is not.
    pub fn new(text: &str, shown: Shown, host_name: String) -> Result<(GoTemplate, Failures), Error> {
        let template = Template::parse(text, &EVENT)?;
        let failures = Failures::default();
        Ok((
            GoTemplate { template, shown, json: RefCell::new(Json::new(shown)), host_name, failures: failures.clone() },
            failures,
        ))
    }
}

/// Says what is wrong with a template.
///
/// # Errors
/// As [`GoTemplate::new`].
pub fn check(text: &str) -> Result<(), Error> {
    Template::parse(text, &EVENT).map(|_| ())
}

impl Format for GoTemplate {
    /// One line an event, unless the template itself has more; one that comes to nothing is left out.
    fn write(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        let start = out.len();
        let dot = Field::fields(Dot { event, context, format: self });
        if let Err(error) = self.template.run(&dot, out) {
            // told where it stands, too: the event is not to go missing
            out.extend_from_slice(format!("<template: {error}>").as_bytes());
            self.failures.add(error);
        }
        if out.len() > start && out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
    }
}

/// The event.
#[derive(Clone, Copy)]
struct Dot<'a, 'r> {
    event: &'a Event<'r>,
    context: &'a Context<'a>,
    format: &'a GoTemplate,
}

/// Text of traced programs, so that it can neither end a line nor act on a terminal.
fn visible<'a>(bytes: &[u8]) -> Field<'a> {
    let mut out = Vec::with_capacity(bytes.len());
    text::visible(&mut out, bytes);
    Field::text(String::from_utf8_lossy(&out).into_owned())
}

fn number<'a>(number: impl Into<u64>) -> Field<'a> {
    Field::Uint(number.into())
}

impl<'a, 'r: 'a> Dot<'a, 'r> {
    fn timestamp(&self) -> Field<'a> {
        self.format.shown.time(self.event.head.time, self.context.clock).map_or_else(|| Field::text(""), Field::Uint)
    }

    fn return_value(&self) -> Field<'a> {
        let (event, ret) = (self.event, self.event.head.ret);
        if self.format.shown.parse_arguments && (-4095..0).contains(&ret) && event.info.syscall {
            let mut name = Vec::new();
            names::write_return(&mut name, ret);
            return visible(&name);
        }
        Field::Int(ret)
    }

    fn executable(&self) -> String {
        let executable = self.context.executable;
        let mut path = Vec::new();
        if let Some(executable) = executable {
            text::visible(&mut path, &executable.path);
            path.extend_from_slice(if executable.deleted { b" (deleted)" } else { b"" });
        }
        String::from_utf8_lossy(&path).into_owned()
    }

    fn arg(&self, index: usize) -> Field<'a> {
        Field::fields(Arg { dot: *self, index })
    }

    fn args(&self) -> Field<'a> {
        let args = (0..self.event.info.args.len()).map(|index| self.arg(index));
        let digest = self.context.sha256.map(|digest| Field::fields(Digest(digest)));
        Field::list(args.chain(digest).collect())
    }

    /// Of a detection: what its signature says of itself.
    fn metadata(&self) -> Field<'a> {
        let known = self.event.info.detection.and_then(|detection| serde_json::from_str(detection.json).ok());
        known.map_or(Field::Nil, of_json)
    }

    fn policies(&self) -> Field<'a> {
        Field::list(self.context.matched_names().map(Field::text).collect())
    }
}

impl<'a, 'r: 'a> Fields<'a> for Dot<'a, 'r> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        let task = &self.event.head.task;
        let context = self.context;
        Some(match name {
            "Timestamp" => self.timestamp(),
            "ThreadStartTime" if task.start_time == 0 => number(0u64),
            "ThreadStartTime" => number(context.clock.wall(task.start_time)),
            "ProcessorID" => number(self.event.head.cpu),
            "ProcessID" => number(task.pid),
            "ThreadID" => number(task.tid),
            "ParentProcessID" => number(task.ppid),
            "HostProcessID" => number(task.host_pid),
            "HostThreadID" => number(task.host_tid),
            "HostParentProcessID" => number(task.host_ppid),
            "UserID" => number(task.uid),
            "MountNS" => number(task.mount_ns),
            "PIDNS" => number(task.pid_ns),
            "CgroupID" => number(task.cgroup_id),
            "ProcessName" => visible(task.comm()),
            "Executable" => Field::fields(Executable(self.executable())),
            "HostName" => Field::text(self.format.host_name.as_str()),
            "Ancestors" => {
                let pids = context.lineage.map(|lineage| lineage.pids.iter().map(|pid| number(*pid)).collect());
                Field::list(pids.unwrap_or_default())
            }
            "Container" => Field::fields(Container(*self)),
            "ContainerID" => Container(*self).field("ID")?,
            "Kubernetes" => Field::fields(Kubernetes(*self)),
            "EventID" => match self.event.info.detection {
                Some(detection) => Field::text(detection.id),
                None => number(self.event.info.id),
            },
            "Metadata" | "Detection" => self.metadata(),
            "EventName" => Field::text(self.event.name()),
            "Category" => Field::text(self.event.info.category),
            "ReturnValue" => self.return_value(),
            "Args" => self.args(),
            "ArgsNum" => Field::Int(self.event.info.args.len() as i64),
            "Data" => Field::fields(Data(*self)),
            "Policies" | "MatchedPolicies" => self.policies(),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        &EVENT_NAMES
    }

    /// As `--output json` writes it.
    fn json(&self) -> Option<String> {
        let mut line = Vec::new();
        self.format.json.borrow_mut().write(&mut line, self.event, self.context);
        line.pop();
        String::from_utf8(line).ok()
    }
}

/// `.Data.pathname`: an argument's value by its name, as filters call it; nil for one that the event lacks.
struct Data<'a, 'r>(Dot<'a, 'r>);

impl<'a, 'r: 'a> Fields<'a> for Data<'a, 'r> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        if name == "sha256" {
            return Digest(self.0.context.sha256.flatten()).field("Value");
        }
        let index = self.0.event.info.args.iter().position(|arg| arg.name == name);
        Some(index.map_or(Field::Nil, |index| self.0.value(index)))
    }

    fn names(&self) -> &'static [&'static str] {
        &[]
    }

    fn json(&self) -> Option<String> {
        let args = self.0.event.info.args.iter().enumerate();
        let entries = args.map(|(i, arg)| (Cow::Borrowed(arg.name), self.0.value(i)));
        Some(Field::map(entries).to_json())
    }
}

/// The argument that `option:exec-hash` adds.
struct Digest<'a>(Option<&'a str>);

impl<'a> Fields<'a> for Digest<'a> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        Some(match name {
            "Name" | "ArgName" => Field::text("sha256"),
            "Type" | "ArgType" => Field::text("const char*"),
            "Value" | "ArgValue" => self.0.map_or(Field::Nil, Field::text),
            "Path" => Field::text(""),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        &["Name", "Type", "Value"]
    }
}

struct Executable(String);

impl<'a> Fields<'a> for Executable {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        (name == "Path").then(|| Field::text(self.0.clone()))
    }

    fn names(&self) -> &'static [&'static str] {
        &["Path"]
    }

    fn text(&self) -> Option<Cow<'a, str>> {
        Some(self.0.clone().into())
    }
}

struct Container<'a, 'r>(Dot<'a, 'r>);

impl<'a, 'r: 'a> Fields<'a> for Container<'a, 'r> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        let details = self.0.context.container;
        let known = |text: fn(&crate::containers::Details) -> &str| {
            details.map_or_else(|| Field::text(""), |details| visible(text(details).as_bytes()))
        };
        Some(match name {
            "ID" => known(|details| &details.id),
            "Name" => known(|details| &details.metadata.name),
            "Image" | "ImageName" => known(|details| &details.metadata.image),
            "ImageDigest" => known(|details| &details.metadata.image_digest),
            "Labels" => {
                let labels = details.map_or(&[][..], |details| &details.metadata.labels);
                let plain = |text: &'a str| String::from_utf8_lossy(text.as_bytes());
                Field::map(labels.iter().map(|(name, label)| (plain(name), visible(label.as_bytes()))))
            }
            "Runtime" => known(|details| &details.metadata.runtime),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        &["ID", "Name", "Image"]
    }
}

struct Kubernetes<'a, 'r>(Dot<'a, 'r>);

impl<'a, 'r: 'a> Fields<'a> for Kubernetes<'a, 'r> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        let metadata = self.0.context.container.map(|details| &details.metadata);
        let known = |text: fn(&crate::containers::Metadata) -> &str| {
            metadata.map_or_else(|| Field::text(""), |metadata| visible(text(metadata).as_bytes()))
        };
        Some(match name {
            "PodName" => known(|metadata| &metadata.pod_name),
            "PodNamespace" => known(|metadata| &metadata.pod_namespace),
            "PodUID" => known(|metadata| &metadata.pod_uid),
            "PodSandbox" => Field::Bool(metadata.is_some_and(|metadata| metadata.sandbox)),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        &["PodName", "PodNamespace", "PodUID"]
    }
}

struct Arg<'a, 'r> {
    dot: Dot<'a, 'r>,
    index: usize,
}

impl<'a, 'r: 'a> Fields<'a> for Arg<'a, 'r> {
    fn field(&self, name: &str) -> Option<Field<'a>> {
        let arg = self.dot.event.info.args.get(self.index)?;
        Some(match name {
            "Name" | "ArgName" => Field::text(arg.name),
            "Type" | "ArgType" => Field::text(arg.c_type),
            "Value" | "ArgValue" => self.dot.value(self.index),
            "Path" => self.dot.event.file(self.index).map_or_else(|| Field::text(""), |file| visible(&file.whole())),
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        &["Name", "Type", "Value"]
    }
}

impl<'a, 'r: 'a> Dot<'a, 'r> {
    /// An argument's value, as JSON has it.
    fn value(&self, index: usize) -> Field<'a> {
        let (event, value) = (self.event, self.event.value(index));
        if self.format.shown.parse_arguments {
            let mut name = Vec::new();
            if write_name(&mut name, event, index, &value) {
                return visible(&name);
            }
        }
        match value {
            Value::Null => Field::Nil,
            Value::Bool(b) => Field::Bool(b),
            Value::Int(i) => Field::Int(i),
            Value::Uint(u) if event.info.args[index].kind == crate::catalogue::Kind::BootTime => {
                Field::Uint(self.context.clock.wall(u))
            }
            Value::Uint(u) => Field::Uint(u),
            Value::Pointer(p) => Field::text(format!("{p:#x}")),
            Value::Text(text) => visible(&text.whole()),
            Value::List(list) => Field::list(list.iter().map(visible).collect()),
            Value::SockAddr(address) => sockaddr(&address),
            Value::Timespec(time) => timespec(time),
            Value::TimespecPair(pair) => Field::list(pair.map(timespec).to_vec()),
            Value::FdPair(pair) => Field::list(pair.map(|fd| Field::Int(fd.into())).to_vec()),
            Value::Cred(cred) => Field::map(
                cred.numbers().chain(cred.capabilities()).map(|(name, n)| (Cow::Borrowed(name), Field::Uint(n))),
            ),
            Value::Numbers(numbers) => Field::list(numbers.iter().map(Field::Uint).collect()),
            Value::Symbols(symbols) => Field::list(
                symbols
                    .iter()
                    .map(|s| {
                        let parts = [("name", s.name), ("symbol", s.symbol), ("owner", s.owner)];
                        Field::map(parts.map(|(key, bytes)| (Cow::Borrowed(key), visible(bytes))))
                    })
                    .collect(),
            ),
            Value::Address(address) => Field::text(address.to_string()),
            Value::Bytes(value) => Field::text(data_encoding::BASE64.encode(value.bytes)),
            Value::Tree(tree) => tree_value(&tree),
        }
    }
}

fn of_json<'a>(json: serde_json::Value) -> Field<'a> {
    use serde_json::Value as Json;
    match json {
        Json::Null => Field::Nil,
        Json::Bool(b) => Field::Bool(b),
        Json::Number(n) => n.as_i64().map_or_else(|| Field::Float(n.as_f64().unwrap_or(0.0)), Field::Int),
        Json::String(text) => visible(text.as_bytes()),
        Json::Array(items) => Field::list(items.into_iter().map(of_json).collect()),
        Json::Object(entries) => Field::map(entries.into_iter().map(|(key, item)| (Cow::Owned(key), of_json(item)))),
    }
}

fn timespec<'a>(time: crate::value::Timespec) -> Field<'a> {
    match time.special() {
        Some(name) => Field::text(name),
        None => Field::Float(time.seconds as f64 + time.nanoseconds as f64 / 1e9),
    }
}

fn tree_value<'a>(tree: &Tree) -> Field<'a> {
    match tree.node() {
        Node::Null => Field::Nil,
        Node::Number(n) => i64::try_from(n).map_or_else(|_| Field::Uint(n as u64), Field::Int),
        Node::Text(bytes) => visible(bytes),
        Node::Address(address) => Field::text(address.to_string()),
        Node::Struct(parts) => {
            let present = parts.fields().filter(|(_, value)| value.node() != Node::Null);
            Field::map(present.map(|(field, value)| (Cow::Borrowed(field.name), tree_value(&value))))
        }
        Node::List(parts) => Field::list(parts.items().map(|item| tree_value(&item)).collect()),
        Node::Map(parts) => Field::map(parts.entries().map(|(key, value)| {
            let mut shown = Vec::new();
            text::visible(&mut shown, key);
            (Cow::Owned(String::from_utf8_lossy(&shown).into_owned()), tree_value(&value))
        })),
    }
}

fn sockaddr<'a>(address: &SockAddr) -> Field<'a> {
    let of = |family: &str, parts: Vec<(&'static str, Field<'a>)>| {
        let parts = parts.into_iter().map(|(key, value)| (Cow::Borrowed(key), value));
        Field::map(parts.chain([("sa_family".into(), Field::text(family.to_owned()))]))
    };
    match *address {
        SockAddr::Inet { address, port } => {
            of("AF_INET", vec![("sin_addr", Field::text(address.to_string())), ("sin_port", number(port))])
        }
        SockAddr::Inet6 { address, port, flow, scope } => of(
            "AF_INET6",
            vec![
                ("sin6_addr", Field::text(address.to_string())),
                ("sin6_port", number(port)),
                ("sin6_flowinfo", number(flow)),
                ("sin6_scope_id", number(scope)),
            ],
        ),
        SockAddr::Unix { abstract_name, path } => {
            let path = if abstract_name { [b"@", path].concat() } else { path.to_vec() };
            of("AF_UNIX", vec![("sun_path", visible(&path))])
        }
        SockAddr::Netlink { pid, groups } => {
            of("AF_NETLINK", vec![("nl_pid", number(pid)), ("nl_groups", number(groups))])
        }
        SockAddr::Packet { protocol, interface } => {
            of("AF_PACKET", vec![("sll_protocol", number(protocol)), ("sll_ifindex", Field::Int(interface.into()))])
        }
        SockAddr::Vsock { cid, port } => of("AF_VSOCK", vec![("svm_cid", number(cid)), ("svm_port", number(port))]),
        SockAddr::Other { family, .. } => {
            let mut name = Vec::new();
            names::write(&mut name, crate::catalogue::family::SOCKET_DOMAIN, family.into());
            of(&String::from_utf8_lossy(&name), Vec::new())
        }
    }
}
