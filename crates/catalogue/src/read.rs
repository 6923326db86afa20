//! Reading the YAML, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::shapes::{self, Shape};
use crate::{scalar, Catalogue, Event, Family, FamilyKind, Kind, Way, HOOK_KINDS};

/// What `derived` may name beside events: the kernel side's counters.
const COUNTERS: &str = "counters";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFile {
    category: String,
    #[serde(default)]
    attach: Vec<Way>,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyFile {
    families: BTreeMap<String, Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    groups: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapeFile {
    shapes: Vec<Shape>,
}

impl Catalogue {
    /// Reads every `*.yaml` under `folder`: those in `flags/` hold families, `groups.yaml` groups of system calls,
    /// `shapes.yaml` shapes, all others events.
    ///
    /// # Errors
    /// One line for the first thing that is wrong: the file, the record, what it is.
    pub fn read(folder: &Path) -> Result<Catalogue, String> {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        files.sort();
        let mut catalogue = Catalogue {
            events: Vec::new(),
            families: BTreeMap::new(),
            groups: BTreeMap::new(),
            shapes: Vec::new(),
            files: files.clone(),
        };
        for file in &files {
            let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            let place = |e: serde_saphyr::Error| format!("{}: {e}", file.display());
            if file.parent().is_some_and(|p| p.ends_with("flags")) {
                let read: FamilyFile = serde_saphyr::from_str(&text).map_err(place)?;
                for (name, family) in read.families {
                    if catalogue.families.insert(name.clone(), family).is_some() {
                        return Err(format!("{}: family {name} is there twice", file.display()));
                    }
                }
            } else if file.ends_with("groups.yaml") {
                let read: GroupFile = serde_saphyr::from_str(&text).map_err(place)?;
                catalogue.groups = read.groups;
            } else if file.ends_with("shapes.yaml") {
                let read: ShapeFile = serde_saphyr::from_str(&text).map_err(place)?;
                catalogue.shapes = read.shapes;
            } else {
                let read: EventFile = serde_saphyr::from_str(&text).map_err(place)?;
                for mut event in read.events {
                    event.category = read.category.clone();
                    if event.attach.is_empty() {
                        event.attach = read.attach.clone();
                    }
                    catalogue.events.push(event);
                }
            }
        }
        catalogue.families.insert("syscall".into(), syscalls(&catalogue.events));
        catalogue.check()?;
        Ok(catalogue)
    }

    fn check(&self) -> Result<(), String> {
        let (mut names, mut ids, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for event in &self.events {
            let fail = |what: String| Err(format!("event {}: {what}", event.name));
            if !names.insert(&event.name) {
                return fail("is there twice".into());
            }
            if !ids.insert(event.id) {
                return fail(format!("id {} is taken", event.id));
            }
            if event.attach.is_empty() {
                return fail("no way to attach".into());
            }
            for hook in event.attach.iter().flat_map(|way| &way.hooks) {
                let (kind, target) = hook.split_once(':').unwrap_or((hook, ""));
                if !HOOK_KINDS.contains(&kind) || target.is_empty() {
                    return fail(format!("no hook is called {hook}"));
                }
                let of_event = kind == "derived" && target != COUNTERS;
                if of_event && !self.events.iter().any(|event| event.name == target) {
                    return fail(format!("no event is called {target}, to derive from"));
                }
                if ["sys_enter", "sys_exit"].contains(&kind) && !self.groups.contains_key(target) {
                    return fail(format!("no group of system calls is called {target}"));
                }
            }
            if event.is_syscall() && event.args.len() > 6 {
                return fail("more than six arguments".into());
            }
            for (abi, number) in &event.number {
                if !["x86_64", "x32", "arm64", "i386"].contains(&abi.as_str()) {
                    return fail(format!("unknown ABI {abi}"));
                }
                if !numbers.insert((abi, number)) {
                    return fail(format!("{abi} number {number} is taken"));
                }
            }
            for arg in &event.args {
                let fail = |what: String| Err(format!("event {}, argument {}: {what}", event.name, arg.name));
                if scalar(&arg.c_type).is_none() && !shapes::is_shape(&arg.c_type, &self.shapes) {
                    return fail(format!("unknown type {}", arg.c_type));
                }
                let by = arg.family_by.iter().flat_map(|by| by.cases.values());
                for family in arg.family.iter().chain(by) {
                    if !self.families.contains_key(family) {
                        return fail(format!("unknown family {family}"));
                    }
                }
                let by = arg.family_by.as_ref().map(|by| &by.arg);
                for other in arg
                    .length
                    .iter()
                    .filter(|l| *l != "ret")
                    .chain(by)
                    .chain(&arg.relative_to)
                    .chain(&arg.room)
                    .chain(&arg.also)
                {
                    if !event.args.iter().any(|a| a.name == *other) {
                        return fail(format!("no argument {other}"));
                    }
                }
                let needs_length = matches!(arg.kind, Some(Kind::Bytes | Kind::SockaddrIn | Kind::SockaddrOut));
                if event.is_syscall() && needs_length && arg.length.is_none() {
                    return fail("no length".into());
                }
            }
        }
        shapes::check(&self.shapes, &self.families)?;
        if self.groups.len() > 64 {
            return Err("more groups than bits in bpf/groups.bpf.c".into());
        }
        let mut grouped = BTreeSet::new();
        for (group, calls) in &self.groups {
            for call in calls {
                if !self.events.iter().any(|event| event.is_syscall() && event.name == *call) {
                    return Err(format!("group {group}: no system call is called {call}"));
                }
                if !grouped.insert(call) {
                    return Err(format!("group {group}: {call} is in another group too"));
                }
            }
        }
        if self.events.len() >= 1024 {
            return Err("more events than MAX_EVENTS in bpf/include/record.h".into());
        }
        Ok(())
    }
}

/// The family of system calls: their events' ids by name.
fn syscalls(events: &[Event]) -> Family {
    let calls = events.iter().filter(|event| event.is_syscall());
    Family {
        kind: FamilyKind::Enum,
        mask: None,
        note: None,
        values: calls.map(|event| (event.name.clone(), event.id.into())).collect(),
        arm64: BTreeMap::new(),
        not_on_arm64: Vec::new(),
        aliases: BTreeMap::new(),
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let place = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(place)? {
        let path = entry.map_err(place)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}
