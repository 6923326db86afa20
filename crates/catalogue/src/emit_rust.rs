//! The tables that `tracee-core` is built with; their types are in its `catalogue` module.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::shapes::{self, Shape};
use crate::{emit_c, program, scalar, Arg, Catalogue, Family, FamilyKind, Kind, Scalar, Way};

fn kind(arg: &Arg, shapes: &[Shape]) -> String {
    if shapes::is_shape(&arg.c_type, shapes) {
        let of = shapes::emit_type(&arg.c_type, None, shapes).expect("the catalogue was checked");
        return format!("Tree(&{of})");
    }
    let name = match arg.kind {
        Some(Kind::Path | Kind::PathText | Kind::PathOrName | Kind::PathOut | Kind::FilePath | Kind::String) => {
            "String"
        }
        Some(Kind::Bytes) => "String",
        Some(Kind::Argv) => "StringList",
        Some(Kind::SockaddrIn | Kind::SockaddrOut) => "SockAddr",
        Some(Kind::Timespec | Kind::TimespecOut) => "Timespec",
        Some(Kind::Timespec2) => "TimespecPair",
        Some(Kind::FdPair) => "FdPair",
        Some(Kind::BootTime) => "BootTime",
        Some(Kind::Cred) => "Cred",
        Some(Kind::Syscall) => "Syscall",
        Some(Kind::Numbers) => "Numbers",
        Some(Kind::Symbols) => "Symbols",
        Some(Kind::Address) => "Address",
        Some(Kind::Raw) => "Raw",
        _ => match scalar(&arg.c_type).expect("the catalogue was checked") {
            Scalar::Bool => "Bool",
            Scalar::U8 => "U8",
            Scalar::U16 => "U16",
            Scalar::I32 => "I32",
            Scalar::U32 => "U32",
            Scalar::Long => "Long",
            Scalar::ULong => "ULong",
            Scalar::I64 => "I64",
            Scalar::U64 => "U64",
            Scalar::Pointer => "Pointer",
        },
    };
    name.to_owned()
}

fn values(family: &Family, arm64: bool) -> BTreeMap<&str, i128> {
    let mut values: BTreeMap<&str, i128> = family.values.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    if arm64 {
        values.extend(family.arm64.iter().map(|(k, v)| (k.as_str(), *v)));
        values.retain(|name, _| !family.not_on_arm64.iter().any(|n| n == name));
    }
    values
}

fn way(way: &Way) -> String {
    let hooks = way.hooks.iter().map(|hook| {
        let (kind, target) = hook.split_once(':').expect("the catalogue was checked");
        format!("Hook {{ kind: {kind:?}, target: {target:?}, program: {:?} }}", program(hook))
    });
    format!("Way {{ hooks: &[{}], misses: {:?} }}", hooks.collect::<Vec<_>>().join(", "), way.misses)
}

/// The text that `tracee-core` includes: `EVENTS`, `FAMILIES` and the event indices by name.
/// `arch` is the target's, as cargo spells it.
pub fn tables(catalogue: &Catalogue, arch: &str) -> String {
    let mut out = String::new();
    let families: Vec<&String> = catalogue.families.keys().collect();
    let number = |name: &String| families.binary_search(&name).expect("the catalogue was checked");
    let put = "a String takes all";

    writeln!(out, "pub static EVENTS: [Event; {}] = [", catalogue.events.len()).expect(put);
    for event in &catalogue.events {
        write!(
            out,
            "Event {{ name: {:?}, id: {}, category: {:?}, about: {:?}, sets: &{:?}, attach: &[{}], syscall: {}, args: &[",
            event.name,
            event.id,
            event.category,
            event.about,
            event.sets,
            event.attach.iter().map(way).collect::<Vec<_>>().join(", "),
            event.is_syscall()
        )
        .expect(put);
        let mut chunks = 0;
        for arg in &event.args {
            let family = match (&arg.family, &arg.family_by) {
                (Some(family), _) => format!("Names::Family({})", number(family)),
                (None, Some(by)) => {
                    let at = event.args.iter().position(|a| a.name == by.arg).expect("the catalogue was checked");
                    let of = &event.args[at].family.as_ref().map(number).expect("a family to choose by");
                    let cases: Vec<String> =
                        by.cases.iter().map(|(value, family)| format!("({value:?}, {})", number(family))).collect();
                    format!("Names::By {{ arg: {at}, of: {of}, cases: &[{}] }}", cases.join(", "))
                }
                (None, None) => "Names::None".into(),
            };
            let followed = !event.is_syscall() || emit_c::is_followed(arg);
            let chunk = followed.then_some(chunks);
            chunks += usize::from(followed);
            let also = arg
                .also
                .as_ref()
                .map(|name| event.args.iter().position(|a| a.name == *name).expect("the catalogue was checked"));
            let file = matches!(arg.kind, Some(Kind::FdPath | Kind::Dirfd));
            write!(
                out,
                "Arg {{ name: {:?}, c_type: {:?}, kind: Kind::{}, names: {family}, chunk: {chunk:?}, file: {file}, \
                 also: {also:?} }}, ",
                arg.name,
                arg.c_type,
                kind(arg, &catalogue.shapes)
            )
            .expect(put);
        }
        out.push_str("], detection: None },\n");
    }
    out.push_str("];\n\n");

    out.push_str(&shapes::emit(&catalogue.shapes, number));
    let compat = if arch == "x86_64" { "i386" } else { "" };
    let native = if arch == "aarch64" { "arm64" } else { "x86_64" };
    for (table, abi) in [("NATIVE_CALLS", native), ("COMPAT_CALLS", compat)] {
        let numbered = catalogue.events.iter().filter_map(|event| Some((event.number.get(abi)?, &event.name)));
        let calls: Vec<String> =
            numbered.map(|(number, name)| format!("Call {{ number: {number}, name: {name:?} }}")).collect();
        writeln!(out, "pub static {table}: [Call; {}] = [{}];\n", calls.len(), calls.join(", ")).expect(put);
    }
    writeln!(out, "pub static GROUPS: [&str; {}] = {:?};\n", catalogue.groups.len(), catalogue.groups.keys())
        .expect(put);
    writeln!(out, "pub static FAMILIES: [Family; {}] = [", families.len()).expect(put);
    for (name, family) in &catalogue.families {
        let kind = match family.kind {
            FamilyKind::Enum => "Enum",
            FamilyKind::Bits => "Bits",
            FamilyKind::Mixed => "Mixed",
        };
        // printed: the first name of a number; the others are known to filters
        let named: Vec<String> = values(family, arch == "aarch64")
            .iter()
            .map(|(value, n)| format!("({value:?}, {}, {})", *n as i64, family.aliases.contains_key(*value)))
            .collect();
        writeln!(
            out,
            "Family {{ name: {name:?}, kind: FamilyKind::{kind}, mask: {:?}, values: &[{}] }},",
            family.mask,
            named.join(", ")
        )
        .expect(put);
    }
    out.push_str("];\n\npub mod index {\n");
    for (index, event) in catalogue.events.iter().enumerate() {
        writeln!(out, "pub const {}: u16 = {index};", event.name.to_uppercase()).expect(put);
    }
    out.push_str("}\n\npub mod family {\n");
    for (index, name) in families.iter().enumerate() {
        writeln!(out, "pub const {}: u16 = {index};", name.to_uppercase()).expect(put);
    }
    out.push_str("}\n");
    out
}
