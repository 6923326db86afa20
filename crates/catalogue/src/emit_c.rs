//! The header that the kernel side includes: event numbers and the tables of system calls.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::{Arg, Catalogue, Event, Kind, When};

/// What the kernel side reads for an argument, beyond the register; bpf/syscalls.bpf.c acts on it.
const FOLLOW: [&str; 14] = [
    "NONE",
    "STRING",
    "STRING_OUT",
    "LIST",
    "BYTES",
    "BYTES_OUT",
    "SOCKADDR",
    "SOCKADDR_OUT",
    "TIMESPEC",
    "TIMESPEC_OUT",
    "TIMESPEC_REST",
    "TIMESPEC_PAIR",
    "FD_PAIR",
    "FD",
];

fn follow(arg: &Arg) -> &'static str {
    match arg.kind {
        Some(Kind::Path | Kind::PathText | Kind::PathOrName | Kind::String) => "STRING",
        Some(Kind::PathOut) => "STRING_OUT",
        Some(Kind::Argv) => "LIST",
        Some(Kind::Bytes) if arg.length.as_deref() == Some("ret") => "BYTES_OUT",
        Some(Kind::Bytes) if arg.c_type == "const char*" => "BYTES",
        Some(Kind::Bytes) => "BYTES_OUT",
        Some(Kind::SockaddrIn) => "SOCKADDR",
        Some(Kind::SockaddrOut) => "SOCKADDR_OUT",
        Some(Kind::Timespec) => "TIMESPEC",
        Some(Kind::TimespecOut) if arg.when == Some(When::Interrupted) => "TIMESPEC_REST",
        Some(Kind::TimespecOut) => "TIMESPEC_OUT",
        Some(Kind::Timespec2) => "TIMESPEC_PAIR",
        Some(Kind::FdPair) => "FD_PAIR",
        Some(Kind::FdPath | Kind::Dirfd) => "FD",
        _ => "NONE",
    }
}

/// Whether records of the event carry a chunk for this argument of a system call.
pub fn is_followed(arg: &Arg) -> bool {
    follow(arg) != "NONE"
}

/// The arguments that are the call's first and second path, and the descriptors that these are relative to; 6: none.
fn paths(event: &Event) -> String {
    let place = |name: Option<&String>| event.args.iter().position(|a| Some(&a.name) == name).unwrap_or(6);
    let paths: Vec<&Arg> = event.args.iter().filter(|a| a.kind == Some(Kind::Path)).collect();
    let path = |i: usize| place(paths.get(i).map(|a| &a.name));
    let dirfd = |i: usize| place(paths.get(i).and_then(|a| a.relative_to.as_ref()));
    format!("{{ {}, {} }}, {{ {}, {} }}", path(0), path(1), dirfd(0), dirfd(1))
}

fn entry(index: usize, event: &Event, group: Option<&str>, abi: &str, number: u32) -> String {
    let mut flags = Vec::new();
    if event.args.iter().any(is_followed) {
        flags.push("SYSCALL_FOLLOWED");
    }
    match event.name.as_str() {
        "execve" | "execveat" => flags.push("SYSCALL_EXEC"),
        "fork" | "vfork" | "clone" | "clone3" => flags.push("SYSCALL_FORK"),
        "exit" | "exit_group" => flags.push("SYSCALL_NO_RETURN"),
        _ => {}
    }
    if event.last_two_swapped.iter().any(|other| other == abi) {
        flags.push("SYSCALL_SWAPPED");
    }
    let mut pairs = 0;
    if abi == "i386" {
        // 403 and later: the variants with 64-bit times
        if number < 403 && event.args.iter().any(|a| follow(a).starts_with("TIMESPEC")) {
            flags.push("SYSCALL_TIME32");
        }
        if event.i386_in_memory {
            flags.push("SYSCALL_IN_MEMORY");
        }
        if !event.i386_pairs.is_empty() {
            flags.push("SYSCALL_PAIRS");
            pairs = event.i386_pairs.iter().fold(0, |bits, i| bits | 1 << i);
        }
    }
    let flags = if flags.is_empty() { "0".into() } else { flags.join(" | ") };
    let follows: Vec<String> = event.args.iter().map(|a| format!("FOLLOW_{}", follow(a))).collect();
    let lengths: Vec<String> = event
        .args
        .iter()
        .map(|a| {
            a.room
                .as_ref()
                .or(a.length.as_ref())
                .and_then(|l| event.args.iter().position(|b| b.name == *l))
                .unwrap_or(6)
                .to_string()
        })
        .collect();
    format!(
        "\t[{number}] = {{ {index}, {flags}, {pairs}, {{ {} }}, {{ {} }}, {}, {} }}, /* {} */\n",
        follows.join(", "),
        lengths.join(", "),
        paths(event),
        group.map_or("NO_GROUP".into(), |group| format!("GROUP_{group}")),
        event.name
    )
}

fn table(catalogue: &Catalogue, name: &str, size: &str, abis: &[&str]) -> String {
    let mut rows = std::collections::BTreeMap::new();
    for (index, event) in catalogue.events.iter().enumerate() {
        let group =
            catalogue.groups.iter().find(|(_, calls)| calls.contains(&event.name)).map(|(name, _)| name.as_str());
        for abi in abis {
            if let Some(&number) = event.number.get(*abi) {
                rows.insert(number, entry(index, event, group, abi, number));
            }
        }
    }
    let last = rows.keys().last().copied().unwrap_or(0);
    let mut text = format!("#define {size} {}\nstatic const struct syscall {name}[{size}] = {{\n", last + 1);
    for number in 0..=last {
        let hole = format!("\t[{number}] = {{ .event = 0xffff }},\n");
        text.push_str(rows.get(&number).unwrap_or(&hole));
    }
    text.push_str("};\n\n");
    text
}

/// The places of kernel events' arguments in their records, for what looks at one before the record is put together.
fn places(catalogue: &Catalogue) -> String {
    let mut out = String::from("enum place {\n");
    for event in catalogue.events.iter().filter(|event| event.number.is_empty()) {
        for (place, arg) in event.args.iter().enumerate() {
            let name = arg.name.replace('.', "_");
            writeln!(out, "\tPLACE_{}_{name} = {place},", event.name).expect("a String takes all");
        }
    }
    out.push_str("};\n\n");
    out
}

/// The text of `catalogue.h`.
pub fn header(catalogue: &Catalogue) -> String {
    let mut out = String::from("/* Made by the build from catalogue/. */\n#pragma once\n\nenum event {\n");
    for (index, event) in catalogue.events.iter().enumerate() {
        writeln!(out, "\tEVENT_{} = {index},", event.name).expect("a String takes all");
    }
    out.push_str("};\n\n");
    out.push_str(&places(catalogue));
    out.push_str("enum group {\n");
    for group in catalogue.groups.keys() {
        writeln!(out, "\tGROUP_{group},").expect("a String takes all");
    }
    out.push_str("\tGROUPS,\n\tNO_GROUP = 0xffff,\n};\n\n");
    for (name, kind) in [("AFTER", "sys_exit"), ("BEFORE", "sys_enter")] {
        let hooks = catalogue.events.iter().flat_map(|event| &event.attach).flat_map(|way| &way.hooks);
        let groups: BTreeSet<&str> = hooks.filter_map(|hook| hook.strip_prefix(kind)?.strip_prefix(':')).collect();
        let each: Vec<String> = groups.iter().map(|group| format!("each({group})")).collect();
        writeln!(out, "#define GROUPS_{name}(each) {}", each.join(" ")).expect("a String takes all");
    }
    out.push_str("\nenum follow {\n");
    for name in FOLLOW {
        writeln!(out, "\tFOLLOW_{name},").expect("a String takes all");
    }
    out.push_str(
        "};\n\nenum syscall_flags {\n\tSYSCALL_FOLLOWED = 1,\n\tSYSCALL_EXEC = 2,\n\tSYSCALL_FORK = 4,\n\
         \tSYSCALL_NO_RETURN = 8,\n\tSYSCALL_TIME32 = 16,\n\tSYSCALL_IN_MEMORY = 32,\n\tSYSCALL_PAIRS = 64,\n\tSYSCALL_SWAPPED = 128,\n};\n\n\
         struct syscall {\n\tu16 event;\n\tu8 flags;\n\tu8 pairs; /* bit n: argument n comes in two registers */\n\
         \tu8 follow[6];\n\tu8 length[6]; /* the argument that tells the size, 6: none */\n\
         \tu8 path[2], dirfd[2]; /* arguments that are paths, and what these are relative to, 6: none */\n\tu16 group;\n};\n\n",
    );
    out.push_str("#if defined(__TARGET_ARCH_x86)\n\n");
    out.push_str(&table(catalogue, "native_syscalls", "NATIVE_SYSCALLS", &["x86_64", "x32"]));
    out.push_str(&table(catalogue, "compat_syscalls", "COMPAT_SYSCALLS", &["i386"]));
    out.push_str("#else\n\n");
    out.push_str(&table(catalogue, "native_syscalls", "NATIVE_SYSCALLS", &["arm64"]));
    out.push_str(
        "/* 32-bit Arm has numbers of its own, which the catalogue does not list */\n\
         #define COMPAT_SYSCALLS 1\nstatic const struct syscall compat_syscalls[COMPAT_SYSCALLS] = { [0] = { 0xffff } };\n\n\
         #endif\n\nstatic const struct syscall sigreturn = { EVENT_rt_sigreturn };\n",
    );
    out
}
