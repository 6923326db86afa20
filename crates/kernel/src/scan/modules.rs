//! Modules, by every record that the kernel keeps of them. One that hides takes itself out of the list, which
//! /proc/modules, /proc/kallsyms and rmmod are made of, and often out of sysfs; the tree by which the kernel finds out
//! whose code an address is stays, since without it the module's faults would be fatal.

use std::collections::BTreeMap;

use super::peek::{offset, Peek};
use super::symbols::Symbols;

/// Family `module_search` of the catalogue.
pub const LIST: u32 = 1;
pub const KSET: u32 = 2;
pub const TREE: u32 = 4;
/// More than any machine has; a walk that a change leads astray ends.
const MOST: usize = 8192;
/// `MODULE_NAME_LEN`
const NAME: usize = 56;
const SRCVERSION: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    pub srcversion: Option<String>,
    /// By which searches it was found.
    pub searches: u32,
    /// `enum module_state`: its init may be running.
    pub state: u32,
}

/// Modules by the address of their `struct module`.
pub type Modules = BTreeMap<u64, Module>;

/// Where the records begin.
#[derive(Debug, Clone, Copy)]
pub struct Roots {
    list: u64,
    kset: Option<u64>,
    tree: Option<u64>,
}

impl Roots {
    /// `None` where the kernel's symbols do not tell the place of the list, without which nothing can be compared.
    pub fn find(symbols: &Symbols) -> Option<Roots> {
        Some(Roots {
            list: symbols.address("modules")?,
            kset: symbols.address("module_kset"),
            tree: symbols.address("mod_tree"),
        })
    }
}

/// All modules of all records; `None` where the list cannot be walked to its end, as while it changes.
pub fn find(peek: &Peek, roots: Roots) -> Option<Modules> {
    let mut found = BTreeMap::new();
    // the list comes last: a module that goes meanwhile is in none of them later, one that comes is in the list
    for module in roots.tree.map(|root| tree(peek, root)).unwrap_or_default() {
        *found.entry(module).or_insert(0) |= TREE;
    }
    for module in roots.kset.map(|root| kset(peek, root)).unwrap_or_default() {
        *found.entry(module).or_insert(0) |= KSET;
    }
    for module in list(peek, roots.list, offset(peek.layout.module_list)?)? {
        *found.entry(module).or_insert(0) |= LIST;
    }
    Some(
        found
            .into_iter()
            .filter_map(|(address, searches)| Some((address, describe(peek, address, searches)?)))
            .collect(),
    )
}

/// Modules that are in some record and not in the list.
pub fn hidden(modules: &Modules) -> impl Iterator<Item = (u64, &Module)> {
    modules.iter().filter(|(_, module)| module.searches & LIST == 0).map(|(address, module)| (*address, module))
}

fn describe(peek: &Peek, module: u64, searches: u32) -> Option<Module> {
    let name = peek.text(module + offset(peek.layout.module_name)?, NAME)?;
    let srcversion = offset(peek.layout.module_srcversion).and_then(|at| peek.word(module + at));
    let srcversion = srcversion.filter(|at| *at != 0).and_then(|at| peek.text(at, SRCVERSION));
    // a record of what is gone, or half made
    let plausible = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let state = offset(peek.layout.module_state).and_then(|at| peek.word(module + at)).unwrap_or(0) as u32;
    plausible.then_some(Module { name, srcversion, searches, state })
}

/// Members of a circular list whose head is at `head`, by the node's `offset` in them.
fn list(peek: &Peek, head: u64, offset: u64) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    let mut node = peek.word(head)?;
    while node != head {
        if node == 0 || found.len() >= MOST {
            return None;
        }
        found.push(node - offset);
        node = peek.word(node)?;
    }
    Some(found)
}

/// The folders of /sys/module that stand for modules; those of code that is built in have none.
fn kset(peek: &Peek, root: u64) -> Vec<u64> {
    let walk = || {
        let layout = &peek.layout;
        let head = peek.word(root)? + offset(layout.kset_list)?;
        let kobject = offset(layout.module_kobject_kobj)? + offset(layout.kobject_entry)?;
        let module = offset(layout.module_kobject_mod)?;
        let folders = list(peek, head, kobject)?;
        Some(folders.into_iter().filter_map(|folder| peek.word(folder + module)).filter(|m| *m != 0).collect())
    };
    walk().unwrap_or_default()
}

/// The latched tree: a sequence count, then two roots, of which one is always whole. Nodes: parent, right, left.
fn tree(peek: &Peek, root: u64) -> Vec<u64> {
    const NODE: u64 = 24;
    let (Some(to_node), Some(to_module)) =
        (offset(peek.layout.mod_tree_node_node), offset(peek.layout.mod_tree_node_mod))
    else {
        return Vec::new();
    };
    let which = peek.word(root).unwrap_or(0) & 1;
    let mut waiting = vec![peek.word(root + 8 + 8 * which).unwrap_or(0)];
    let mut found = Vec::new();
    while let Some(node) = waiting.pop() {
        if node == 0 || found.len() >= MOST {
            continue;
        }
        let entry = node - to_node - NODE * which;
        found.extend(peek.word(entry + to_module).filter(|module| *module != 0));
        waiting.extend(peek.words(node + 8, 2));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_list_lacks_is_hidden() {
        let module = |name: &str, searches| Module { name: name.into(), srcversion: None, searches, state: 0 };
        let modules = Modules::from([
            (0x1000, module("seen", LIST | KSET | TREE)),
            (0x2000, module("listed", LIST)),
            (0x3000, module("rooty", TREE)),
            (0x4000, module("rooty2", KSET)),
        ]);
        let names: Vec<_> = hidden(&modules).map(|(address, module)| (address, &*module.name)).collect();
        assert_eq!(names, [(0x3000, "rooty"), (0x4000, "rooty2")]);
    }
}
