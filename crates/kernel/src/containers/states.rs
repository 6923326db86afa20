//! Containers that are called as somebody pleased: told from other cgroups by the folders in which runtimes keep the state
//! of what they run. A folder is there before the cgroup is made.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where containerd keeps its state, unless told otherwise; of Kubernetes' distributions, too.
const CONTAINERD: [&str; 4] =
    ["/run/containerd", "/var/run/containerd", "/run/k3s/containerd", "/var/run/k3s/containerd"];
/// Below it: a folder for each namespace, and in it one for each container.
const TASKS: &str = "io.containerd.runtime.v2.task";
/// Runtimes that are run without a daemon, and where they keep a folder for each container.
const ALONE: [(&str, &str); 3] = [("runc", "/run/runc"), ("crun", "/run/crun"), ("youki", "/run/youki")];
/// The host's files, for us in a container that shares its processes.
const HOST: &str = "/proc/1/root";

pub struct States {
    containerd: Vec<PathBuf>,
    alone: Vec<(&'static str, PathBuf)>,
}

impl States {
    /// `more`: folders of containerds that were told otherwise.
    pub fn new(more: &[PathBuf]) -> States {
        let roots = roots();
        let at = |place: &str| roots.iter().map(|root| PathBuf::from(format!("{root}{place}"))).collect::<Vec<_>>();
        let usual = CONTAINERD.iter().flat_map(|place| at(place));
        let containerd = more.iter().cloned().chain(usual).map(|state| state.join(TASKS)).collect();
        let alone = ALONE.iter().flat_map(|(name, place)| at(place).into_iter().map(|place| (*name, place)));
        States { containerd, alone: alone.collect() }
    }

    /// The runtime that has such a container: `parent` and `id` are the last two parts of a cgroup's path.
    pub fn runtime(&self, parent: &str, id: &str) -> Option<&'static str> {
        let is_there = |place: &Path| place.is_dir();
        let is_containers = |tasks: &PathBuf| !parent.is_empty() && is_there(&tasks.join(parent).join(id));
        if self.containerd.iter().any(is_containers) {
            return Some("containerd");
        }
        self.alone.iter().find(|(_, place)| is_there(&place.join(id))).map(|(name, _)| *name)
    }
}

/// What goes before paths: nothing, and where the host's files are others, they, too.
fn roots() -> Vec<&'static str> {
    let which = |place: &str| fs::metadata(place).map(|it| (it.dev(), it.ino())).ok();
    let other = which(HOST).is_some_and(|host| which("/") != Some(host));
    [""].into_iter().chain(other.then_some(HOST)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_folders_of_their_state() {
        let state = std::env::temp_dir().join(format!("tracee-states-{}", std::process::id()));
        let bundle = state.join(TASKS).join("default/bar-2");
        std::fs::create_dir_all(&bundle).expect("a folder");
        let states = States::new(std::slice::from_ref(&state));
        assert_eq!(states.runtime("default", "bar-2"), Some("containerd"));
        assert_eq!(states.runtime("default", "bar-3"), None);
        assert_eq!(states.runtime("other", "bar-2"), None);
        assert_eq!(states.runtime("", "default"), None, "a namespace is no container");
        std::fs::remove_dir_all(&state).expect("it was there");
        assert_eq!(states.runtime("default", "bar-2"), None);
    }
}
