//! One object a line. What is the same for every event of a kind, and of a task, is written once and copied.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{push_int, tree, write_name, Context, Format, Shown, TaskCache};
use crate::catalogue::{self, EVENTS};
use crate::containers::details::HOST_JSON;
use crate::event::Event;
use crate::names;
use crate::text;
use crate::value::{Cred, SockAddr, Text, Timespec, Value};

pub struct Json {
    shown: Shown,
    tasks: TaskCache,
    kinds: Vec<Arc<Kind>>,
    /// Of what signatures find, made when the first comes.
    findings: FxHashMap<u16, Arc<Kind>>,
    clock_offset: i64,
}

/// The parts of a line that only the kind of event decides.
struct Kind {
    /// from eventName to the return value
    name: Vec<u8>,
    /// each argument, to its value
    args: Vec<Vec<u8>>,
}

impl Kind {
    fn of(event: &catalogue::Event) -> Kind {
        let id = event.detection.map_or_else(|| event.id.to_string(), |detection| detection.id.to_owned());
        let mut name = br#","eventName":""#.to_vec();
        text::json(&mut name, event.name.as_bytes());
        name.extend_from_slice(br#"","eventId":""#);
        text::json(&mut name, id.as_bytes());
        name.extend_from_slice(br#"","returnValue":"#);
        let first = |i| if i == 0 { "" } else { "," };
        let args = event.args.iter().enumerate();
        let args = args
            .map(|(i, a)| format!(r#"{}{{"name":"{}","type":"{}","value":"#, first(i), a.name, a.c_type).into_bytes());
        Kind { name, args: args.collect() }
    }
}

impl Json {
    pub fn new(shown: Shown) -> Json {
        Json {
            shown,
            tasks: TaskCache::new(),
            kinds: EVENTS.iter().map(|event| Arc::new(Kind::of(event))).collect(),
            findings: FxHashMap::default(),
            clock_offset: 0,
        }
    }

    fn kind(&mut self, event: &Event) -> Arc<Kind> {
        match self.kinds.get(usize::from(event.head.event)) {
            Some(kind) => kind.clone(),
            None => self.findings.entry(event.head.event).or_insert_with(|| Arc::new(Kind::of(event.info))).clone(),
        }
    }

    fn value(&self, out: &mut Vec<u8>, event: &Event, index: usize, context: &Context) {
        let value = event.value(index);
        if self.shown.parse_arguments {
            let start = out.len();
            out.push(b'"');
            if write_name(out, event, index, &value) {
                out.push(b'"');
                return;
            }
            out.truncate(start);
        }
        match value {
            Value::Null if event.is_missing(index) => out.extend_from_slice(br#"null,"truncated":true"#),
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
            Value::Int(i) => push_int(out, i),
            Value::Uint(u) if event.info.args[index].kind == crate::catalogue::Kind::BootTime => {
                push_int(out, context.clock.wall(u))
            }
            Value::Uint(u) => push_int(out, u),
            Value::Pointer(p) => pointer(out, p),
            Value::Text(text) => string(out, &text),
            Value::List(list) => {
                out.push(b'[');
                for (i, item) in list.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"\"" } else { b",\"" });
                    text::json(out, item);
                    out.push(b'"');
                }
                out.push(b']');
                if list.cut {
                    out.extend_from_slice(br#","truncated":true"#);
                }
            }
            Value::SockAddr(address) => sockaddr(out, &address),
            Value::Timespec(time) => timespec(out, time),
            Value::TimespecPair([a, b]) => {
                out.push(b'[');
                timespec(out, a);
                out.push(b',');
                timespec(out, b);
                out.push(b']');
            }
            Value::FdPair([a, b]) => {
                out.push(b'[');
                push_int(out, a);
                out.push(b',');
                push_int(out, b);
                out.push(b']');
            }
            Value::Cred(cred) => self.cred(out, &cred),
            Value::Numbers(numbers) => {
                out.push(b'[');
                for (i, number) in numbers.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b"," });
                    self.number(out, event, index, number);
                }
                out.push(b']');
                if numbers.cut {
                    out.extend_from_slice(br#","truncated":true"#);
                }
            }
            Value::Symbols(symbols) => {
                out.push(b'[');
                for (i, symbol) in symbols.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b"," });
                    for (key, bytes) in
                        [("{\"name", symbol.name), (",\"symbol", symbol.symbol), (",\"owner", symbol.owner)]
                    {
                        out.extend_from_slice(key.as_bytes());
                        out.extend_from_slice(b"\":\"");
                        text::json(out, bytes);
                        out.push(b'"');
                    }
                    out.push(b'}');
                }
                out.push(b']');
            }
            Value::Address(address) => out.extend_from_slice(format!("\"{address}\"").as_bytes()),
            Value::Bytes(value) => {
                let text = data_encoding::BASE64.encode(value.bytes);
                out.extend_from_slice(format!("\"{text}\"").as_bytes());
                if value.cut {
                    out.extend_from_slice(br#","truncated":true"#);
                }
            }
            Value::Tree(value) => {
                tree::json(out, &value, self.shown.parse_arguments);
                if value.cut {
                    out.extend_from_slice(br#","truncated":true"#);
                }
            }
        }
    }
}

impl Json {
    /// One of several numbers: by name where names are asked for and it has one.
    fn number(&self, out: &mut Vec<u8>, event: &Event, index: usize, number: u64) {
        match event.info.args[index].names {
            crate::catalogue::Names::Family(family) if self.shown.parse_arguments => {
                out.push(b'"');
                names::write(out, family, number as i64);
                out.push(b'"');
            }
            _ => push_int(out, number),
        }
    }

    fn cred(&self, out: &mut Vec<u8>, cred: &Cred) {
        for (i, (name, number)) in cred.numbers().enumerate() {
            out.extend_from_slice(if i == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            push_int(out, number);
        }
        for (name, set) in cred.capabilities() {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            if self.shown.parse_arguments {
                out.push(b'"');
                names::write_capabilities(out, set);
                out.push(b'"');
            } else {
                push_int(out, set);
            }
        }
        out.push(b'}');
    }
}

impl Format for Json {
    fn write(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        if self.clock_offset != context.clock.offset {
            // start times are shown by the wall clock, which was set
            self.clock_offset = context.clock.offset;
            self.tasks = TaskCache::new();
        }
        self.object(out, event, context);
        out.push(b'\n');
    }
}

impl Json {
    fn object(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        let head = event.head;
        out.push(b'{');
        let task = self.tasks.text(event, context, |text| task(text, event, context));
        match self.shown.time(head.time, context.clock) {
            Some(time) => {
                out.extend_from_slice(br#""timestamp":"#);
                push_int(out, time);
                out.extend_from_slice(task);
            }
            // without the comma
            None => out.extend_from_slice(&task[1..]),
        }
        push_int(out, head.cpu);
        let kind = self.kind(event);
        out.extend_from_slice(&kind.name);
        if self.shown.parse_arguments && (-4095..0).contains(&head.ret) && event.info.syscall {
            out.push(b'"');
            names::write_return(out, head.ret);
            out.push(b'"');
        } else {
            push_int(out, head.ret);
        }
        if event.is_compat() {
            out.extend_from_slice(br#","compat":true"#);
        }
        out.extend_from_slice(br#","args":["#);
        for (i, fragment) in kind.args.iter().enumerate() {
            out.extend_from_slice(fragment);
            self.value(out, event, i, context);
            if let Some(file) = event.file(i) {
                out.extend_from_slice(br#","path":"#);
                string(out, &file);
            }
            out.push(b'}');
        }
        if !event.beyond().is_empty() {
            out.extend_from_slice(if kind.args.is_empty() { b"" } else { b"," });
            out.extend_from_slice(event.beyond());
        }
        if let Some(digest) = context.sha256 {
            let value = digest.map_or_else(|| "null".into(), |digest| format!("\"{digest}\""));
            let argument = format!(r#",{{"name":"sha256","type":"const char*","value":{value}}}"#);
            out.extend_from_slice(argument.as_bytes());
        }
        out.extend_from_slice(br#"],"policies":{"matched":["#);
        for (i, name) in context.matched_names().enumerate() {
            out.extend_from_slice(if i == 0 { b"\"" } else { b",\"" });
            text::json(out, name.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b"]}");
        if let Some(detection) = event.info.detection {
            out.extend_from_slice(br#","detection":"#);
            out.extend_from_slice(detection.json.as_bytes());
            self.trigger(out, event, context);
        }
        out.push(b'}');
    }

    /// The event that led to a finding.
    fn trigger(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        let Some(record) = event.trigger() else { return };
        let Some(trigger) = Event::read(record.as_bytes()) else { return };
        let names = event.trigger_policies();
        out.extend_from_slice(br#","triggeredBy":"#);
        self.object(out, &trigger, &Context { matched: u64::MAX, policy_names: &names, ..*context });
    }
}

/// Everything about the task, up to the processor's number.
fn task(out: &mut Vec<u8>, event: &Event, context: &Context) {
    let task = &event.head.task;
    let start = if task.start_time == 0 { 0 } else { context.clock.wall(task.start_time) };
    let numbers: [(&str, u64); 11] = [
        ("threadStartTime", start),
        ("processId", task.pid.into()),
        ("threadId", task.tid.into()),
        ("parentProcessId", task.ppid.into()),
        ("hostProcessId", task.host_pid.into()),
        ("hostThreadId", task.host_tid.into()),
        ("hostParentProcessId", task.host_ppid.into()),
        ("userId", task.uid.into()),
        ("mountNamespace", task.mount_ns.into()),
        ("pidNamespace", task.pid_ns.into()),
        ("cgroupId", task.cgroup_id),
    ];
    for (name, number) in numbers {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        push_int(out, number);
    }
    out.extend_from_slice(br#","processName":""#);
    text::json(out, task.comm());
    out.extend_from_slice(br#"","executable":""#);
    if let Some(executable) = context.executable {
        text::json(out, &executable.path);
        if executable.deleted {
            out.extend_from_slice(b" (deleted)");
        }
    }
    out.push(b'"');
    if let Some(lineage) = context.lineage {
        out.extend_from_slice(br#","processTree":{"ancestors":["#);
        for (i, pid) in lineage.pids.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b"" } else { b"," });
            push_int(out, *pid);
        }
        out.extend_from_slice(if lineage.cut { br#"],"truncated":true}"# } else { b"]}" });
    }
    out.push(b',');
    out.extend_from_slice(context.container.map_or(HOST_JSON, |container| &container.json));
    out.extend_from_slice(br#","processorId":"#);
}

fn string(out: &mut Vec<u8>, value: &Text) {
    out.push(b'"');
    text::json(out, &value.whole());
    out.push(b'"');
    if value.cut {
        out.extend_from_slice(br#","truncated":true"#);
    }
}

/// As a string: beyond 2^53 a number would not come through most readers whole.
fn pointer(out: &mut Vec<u8>, value: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\"0x");
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for i in (0..digits).rev() {
        out.push(HEX[(value >> (4 * i)) as usize & 15]);
    }
    out.push(b'"');
}

fn timespec(out: &mut Vec<u8>, time: Timespec) {
    if let Some(name) = time.special() {
        out.extend_from_slice(format!("\"{name}\"").as_bytes());
        return;
    }
    let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    let text = format!("{sign}{}.{:09}", total / 1_000_000_000, total % 1_000_000_000);
    out.extend_from_slice(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
}

fn sockaddr(out: &mut Vec<u8>, address: &SockAddr) {
    let start =
        |out: &mut Vec<u8>, family: &str| out.extend_from_slice(format!(r#"{{"sa_family":"{family}""#).as_bytes());
    match *address {
        SockAddr::Inet { address, port } => {
            start(out, "AF_INET");
            out.extend_from_slice(format!(r#","sin_addr":"{address}","sin_port":{port}"#).as_bytes());
        }
        SockAddr::Inet6 { address, port, flow, scope } => {
            start(out, "AF_INET6");
            let text = format!(
                r#","sin6_addr":"{address}","sin6_port":{port},"sin6_flowinfo":{flow},"sin6_scope_id":{scope}"#
            );
            out.extend_from_slice(text.as_bytes());
        }
        SockAddr::Unix { abstract_name, path } => {
            start(out, "AF_UNIX");
            out.extend_from_slice(br#","sun_path":""#);
            if abstract_name {
                out.push(b'@');
            }
            text::json(out, path);
            out.push(b'"');
        }
        SockAddr::Netlink { pid, groups } => {
            start(out, "AF_NETLINK");
            out.extend_from_slice(format!(r#","nl_pid":{pid},"nl_groups":{groups}"#).as_bytes());
        }
        SockAddr::Packet { protocol, interface } => {
            start(out, "AF_PACKET");
            out.extend_from_slice(format!(r#","sll_protocol":{protocol},"sll_ifindex":{interface}"#).as_bytes());
        }
        SockAddr::Vsock { cid, port } => {
            start(out, "AF_VSOCK");
            out.extend_from_slice(format!(r#","svm_cid":{cid},"svm_port":{port}"#).as_bytes());
        }
        SockAddr::Other { family, .. } => {
            let mut name = Vec::new();
            names::write(&mut name, crate::catalogue::family::SOCKET_DOMAIN, family.into());
            start(out, &String::from_utf8_lossy(&name));
        }
    }
    out.push(b'}');
}
