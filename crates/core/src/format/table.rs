//! Columns for a person at a terminal: TIME UID EVENT CONTAINER COMMAND ARGS.

use super::{push_int, tree, write_name, Context, Format, Shown, Times};
use crate::event::Event;
use crate::names;
use crate::text;
use crate::time::TimeOfDay;
use crate::value::{SockAddr, Value};

/// Widths of the columns before ARGS, as the manual prints them.
const WIDTHS: [usize; 5] = [17, 7, 17, 17, 17];
const TITLES: [&str; 6] = ["TIME", "UID", "EVENT", "CONTAINER", "COMMAND", "ARGS"];

pub struct Table {
    /// Columns of the terminal; lines are cut there. `None`: there is no terminal.
    width: Option<usize>,
    shown: Shown,
    time: TimeOfDay,
    cell: Vec<u8>,
}

impl Table {
    pub fn new(width: Option<usize>, shown: Shown) -> Table {
        Table { width, shown, time: TimeOfDay::default(), cell: Vec::new() }
    }

    /// Appends what stands in `cell`, filled up to the column's width.
    fn put(&mut self, out: &mut Vec<u8>, column: usize) {
        out.extend_from_slice(&self.cell);
        let shown = String::from_utf8_lossy(&self.cell).chars().count();
        out.resize(out.len() + WIDTHS[column].saturating_sub(shown).max(1), b' ');
        self.cell.clear();
    }

    fn end(&self, out: &mut Vec<u8>, start: usize) {
        if let Some(width) = self.width {
            let line = String::from_utf8_lossy(&out[start..]);
            if let Some((end, _)) = line.char_indices().nth(width) {
                out.truncate(start + end);
            }
        }
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }
}

impl Format for Table {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        let timeless = usize::from(self.shown.times == Times::None);
        for (column, title) in TITLES.iter().enumerate().skip(timeless) {
            self.cell.extend_from_slice(title.as_bytes());
            if column < WIDTHS.len() {
                self.put(out, column);
            }
        }
        out.append(&mut self.cell);
        self.end(out, start);
    }

    fn write(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        let start = out.len();
        let task = &event.head.task;
        match (self.shown.times, self.shown.time(event.head.time, context.clock)) {
            (Times::Wall, Some(wall)) => self.time.write(&mut self.cell, wall),
            (_, Some(ns)) => {
                let text = format!("{}.{:06}", ns / 1_000_000_000, ns % 1_000_000_000 / 1000);
                self.cell.extend_from_slice(text.as_bytes());
            }
            (_, None) => {}
        }
        if self.shown.times != Times::None {
            self.put(out, 0);
        }
        push_int(&mut self.cell, task.uid);
        self.put(out, 1);
        self.cell.extend_from_slice(event.name().as_bytes());
        self.put(out, 2);
        if let Some(container) = context.container {
            let label = container.label();
            let end = label.char_indices().nth(WIDTHS[3] - 1).map_or(label.len(), |(end, _)| end);
            text::visible(&mut self.cell, &label.as_bytes()[..end]);
        } else if task.mount_ns == context.host_mount_ns || task.mount_ns == 0 {
            self.cell.extend_from_slice(b"host");
        } else {
            self.cell.extend_from_slice(format!("mnt:{}", task.mount_ns).as_bytes());
        }
        self.put(out, 3);

        // an exec shows the file, then its arguments after the first
        let exec = exec_arguments(event);
        match exec.map(|(path, _)| event.value(path)) {
            Some(Value::Text(path)) => text::visible(&mut self.cell, &path.whole()),
            _ => text::visible(&mut self.cell, task.comm()),
        }
        self.put(out, 4);
        match exec.map(|(_, argv)| event.value(argv)) {
            Some(Value::List(list)) => write_items(out, list.iter().skip(1), list.cut),
            Some(value) => write_value(out, event, 0, &value, context),
            None => write_args(out, event, context),
        }
        write_trigger(out, event, context);
        if event.info.syscall && (exec.is_none() || event.head.ret != 0) {
            out.extend_from_slice(b" = ");
            names::write_return(out, event.head.ret);
        }
        self.end(out, start);
    }
}

/// The arguments of an exec that hold its path and its argv.
fn exec_arguments(event: &Event) -> Option<(usize, usize)> {
    if !matches!(event.name(), "execve" | "execveat" | "sched_process_exec") {
        return None;
    }
    let place = |name| event.info.args.iter().position(|a| a.name == name);
    place("pathname").zip(place("argv"))
}

fn write_args(out: &mut Vec<u8>, event: &Event, context: &Context) {
    for (i, arg) in event.info.args.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(arg.name.as_bytes());
        out.extend_from_slice(b": ");
        let value = event.value(i);
        if !write_name(out, event, i, &value) {
            write_value(out, event, i, &value, context);
        }
        if let Some(file) = event.file(i) {
            out.push(b'<');
            text::visible(out, &file.whole());
            out.push(b'>');
        }
    }
}

/// Of a finding: what it has beyond its fields, and the event that led to it.
fn write_trigger(out: &mut Vec<u8>, event: &Event, context: &Context) {
    if event.info.detection.is_none() {
        return;
    }
    for (i, (name, value)) in event.beyond_values().into_iter().enumerate() {
        out.extend_from_slice(if i == 0 && event.info.args.is_empty() { b"" } else { b", " });
        text::visible(out, format!("{name}: ").as_bytes());
        match value.as_str() {
            Some(value) => text::visible(out, value.as_bytes()),
            None => text::visible(out, value.to_string().as_bytes()),
        }
    }
    let Some(record) = event.trigger() else { return };
    let Some(trigger) = Event::read(record.as_bytes()) else { return };
    if out.last() != Some(&b' ') {
        out.push(b' ');
    }
    out.extend_from_slice(b"from ");
    out.extend_from_slice(trigger.name().as_bytes());
    out.extend_from_slice(b": ");
    write_args(out, &trigger, context);
    write_trigger(out, &trigger, context);
}

fn write_items<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = &'a [u8]>, cut: bool) {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        out.extend_from_slice(if i == 0 { b"\"" } else { b", \"" });
        text::visible(out, item);
        out.push(b'"');
    }
    out.extend_from_slice(if cut { ", …]".as_bytes() } else { b"]" });
}

fn write_value(out: &mut Vec<u8>, event: &Event, index: usize, value: &Value, context: &Context) {
    match *value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        Value::Int(i) => push_int(out, i),
        Value::Uint(u) if event.info.args[index].kind == crate::catalogue::Kind::BootTime => {
            push_int(out, context.clock.wall(u))
        }
        Value::Uint(u) => push_int(out, u),
        Value::Pointer(p) => out.extend_from_slice(format!("{p:#x}").as_bytes()),
        Value::Text(ref value) => {
            text::visible(out, &value.whole());
            if value.cut {
                out.extend_from_slice("…".as_bytes());
            }
        }
        Value::List(list) => write_items(out, list.iter(), list.cut),
        Value::Timespec(t) => out.extend_from_slice(seconds(t).as_bytes()),
        Value::TimespecPair([a, b]) => out.extend_from_slice(format!("[{}, {}]", seconds(a), seconds(b)).as_bytes()),
        Value::FdPair([a, b]) => out.extend_from_slice(format!("[{a}, {b}]").as_bytes()),
        Value::SockAddr(ref address) => sockaddr(out, address),
        Value::Cred(ref cred) => {
            for (name, number) in cred.numbers() {
                out.extend_from_slice(format!("{name}={number} ").as_bytes());
            }
            for (i, (name, set)) in cred.capabilities().enumerate() {
                out.extend_from_slice(format!("{}{name}=", if i == 0 { "" } else { " " }).as_bytes());
                names::write_capabilities(out, set);
            }
        }
        Value::Numbers(numbers) => {
            let texts: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
            write_items(out, texts.iter().map(String::as_bytes), numbers.cut);
        }
        Value::Symbols(symbols) => {
            let texts: Vec<Vec<u8>> =
                symbols.iter().map(|s| [s.name, b" -> ", s.symbol, b" of ", s.owner].concat()).collect();
            write_items(out, texts.iter().map(Vec::as_slice), false);
        }
        Value::Address(address) => out.extend_from_slice(address.to_string().as_bytes()),
        Value::Bytes(value) => {
            out.extend_from_slice(data_encoding::HEXLOWER.encode(value.bytes).as_bytes());
            out.extend_from_slice(if value.cut { "…".as_bytes() } else { b"" });
        }
        Value::Tree(ref value) => {
            tree::visible(out, value);
            out.extend_from_slice(if value.cut { "…".as_bytes() } else { b"" });
        }
    }
}

fn seconds(time: crate::value::Timespec) -> String {
    match time.special() {
        Some(name) => name.to_owned(),
        None => format!("{}.{:09}s", time.seconds, time.nanoseconds),
    }
}

fn sockaddr(out: &mut Vec<u8>, address: &SockAddr) {
    let text = match *address {
        SockAddr::Inet { address, port } => format!("{address}:{port}"),
        SockAddr::Inet6 { address, port, .. } => format!("[{address}]:{port}"),
        SockAddr::Unix { abstract_name, path } => {
            out.extend_from_slice(if abstract_name { b"unix:@" } else { b"unix:" });
            return text::visible(out, path);
        }
        SockAddr::Netlink { pid, groups } => format!("netlink:{pid}/{groups}"),
        SockAddr::Packet { protocol, interface } => format!("packet:{interface}/{protocol:#06x}"),
        SockAddr::Vsock { cid, port } => format!("vsock:{cid}:{port}"),
        SockAddr::Other { family, bytes } => format!("family {family}, {} bytes", bytes.len()),
    };
    out.extend_from_slice(text.as_bytes());
}
