//! What a cgroup's path says of the container that it belongs to.

/// A container as a cgroup's path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    pub id: &'a str,
    /// `docker`, `containerd`, `crio`, `podman`, `runc`, `crun`, `youki`; empty where the path does not tell.
    pub runtime: &'static str,
    /// The path of the container's own cgroup: the one asked for, or above it.
    pub own: &'a str,
}

/// Runtimes by what stands before the id in the name of a systemd scope, and whether they call containers by numbers of
/// 64 hexadecimal digits alone. Longer ones before those that they begin with.
const PREFIXES: [(&str, &str, bool); 9] = [
    ("docker", "docker", true),
    ("cri-containerd", "containerd", true),
    ("nerdctl", "containerd", true),
    ("crio", "crio", true),
    ("libpod-payload", "podman", true),
    ("libpod", "podman", true),
    ("runc", "runc", false),
    ("crun", "crun", false),
    ("youki", "youki", false),
];
/// Folders that a runtime puts its containers' cgroups in.
const PARENTS: [(&str, &str); 3] = [("docker", "docker"), ("libpod_parent", "podman"), ("moby", "docker")];
/// What watches over a container stands beside it, in a scope named after it.
const WATCHERS: [&str; 2] = ["libpod-conmon", "crio-conmon"];
/// No runtime takes longer ids.
const LONGEST_ID: usize = 1024;

/// The innermost container that the path leads into; `None`: it leads into none that its name tells.
pub fn parse(path: &str) -> Option<Named<'_>> {
    parse_with(path, |_, _| None)
}

/// As [`parse`]. `known` is asked of a component whose name tells nothing, with the one before it: for a container with a
/// name of its own, its runtime.
pub fn parse_with<'a>(path: &'a str, known: impl Fn(&str, &str) -> Option<&'static str>) -> Option<Named<'a>> {
    let mut end = path.len();
    while end > 0 {
        let whole = &path[..end];
        let (above, component) = whole.rsplit_once('/').unwrap_or(("", whole));
        let parent = above.rsplit('/').next().unwrap_or("");
        let named = of_component(parent, component).or_else(|| {
            let could_be = is_id(component) && !is_of_systemd(component);
            Some((component, known(parent, component).filter(|_| could_be)?))
        });
        if let Some((id, runtime)) = named {
            return Some(Named { id, runtime, own: whole });
        }
        end = above.len();
    }
    None
}

/// The id, and its runtime.
fn of_component<'a>(parent: &str, component: &'a str) -> Option<(&'a str, &'static str)> {
    // slice:prefix:name is what runc makes of a systemd path where it goes by the cgroup file system
    if let Some((before, id)) = component.rsplit_once(':') {
        let prefix = before.rsplit(':').next().unwrap_or(before);
        return of_prefix(prefix, id);
    }
    if let Some(scope) = component.strip_suffix(".scope") {
        if WATCHERS.iter().any(|watcher| scope.starts_with(watcher)) {
            return None;
        }
        if let Some(found) = PREFIXES.iter().find_map(|(prefix, ..)| {
            let id = scope.strip_prefix(prefix)?.strip_prefix('-')?;
            of_prefix(prefix, id)
        }) {
            return Some(found);
        }
        // somebody's else: what is so called is a container all the same
        let id = scope.rsplit('-').next().unwrap_or(scope);
        return is_number(id).then_some((id, ""));
    }
    if is_number(component) {
        let runtime = PARENTS.iter().find(|(name, _)| *name == parent).map_or("", |(_, runtime)| runtime);
        return Some((component, runtime));
    }
    // podman keeps the prefix where it goes by the cgroup file system, or puts a payload beside its watcher
    let (prefix, id) = component.rsplit_once('-')?;
    let is_bare = matches!(prefix, "libpod" | "libpod-payload" | "crio") && is_number(id);
    is_bare.then(|| of_prefix(prefix, id)).flatten().or_else(|| of_ecs(parent, component).map(|id| (id, "")))
}

fn of_prefix<'a>(prefix: &str, id: &'a str) -> Option<(&'a str, &'static str)> {
    match PREFIXES.iter().find(|(name, ..)| *name == prefix) {
        Some((_, runtime, numbered)) => (if *numbered { is_number(id) } else { is_id(id) }).then_some((id, *runtime)),
        None => is_number(id).then_some((id, "")),
    }
}

/// A task of Amazon's ECS: `/ecs/TASK/TASK-NUMBER`, 32 digits and a number.
fn of_ecs<'a>(task: &str, component: &'a str) -> Option<&'a str> {
    let number = component.strip_prefix(task)?.strip_prefix('-')?;
    let fits = task.len() == 32 && is_hexadecimal(task) && !number.is_empty();
    (fits && number.bytes().all(|b| b.is_ascii_digit())).then_some(component)
}

/// The uid of the pod that the path leads through, as Kubernetes writes it.
pub fn pod_uid(path: &str) -> Option<String> {
    let through = path.split('/').skip_while(|component| !component.starts_with("kubepods"));
    through.flat_map(|component| component.split(':')).find_map(|part| {
        let name = part.strip_suffix(".slice").unwrap_or(part);
        let start = if name.starts_with("pod") { 0 } else { name.rfind("-pod")? + 1 };
        let uid = name[start..].strip_prefix("pod")?.replace('_', "-");
        is_uid(&uid).then_some(uid)
    })
}

/// A UUID, or the 32 digits that pods of files have.
fn is_uid(uid: &str) -> bool {
    let dashes: Vec<usize> = uid.match_indices('-').map(|(at, _)| at).collect();
    let digits = uid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    digits && (uid.len() == 36 && dashes == [8, 13, 18, 23] || uid.len() == 32 && dashes.is_empty())
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// What most runtimes call containers by.
fn is_number(id: &str) -> bool {
    id.len() == 64 && is_hexadecimal(id)
}

/// What some let users call them.
fn is_id(id: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.+-".contains(&b);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(fits) && id != "." && id != ".."
}

/// Units of systemd, which are asked for nowhere.
fn is_of_systemd(component: &str) -> bool {
    [".slice", ".scope", ".service", ".mount", ".socket", ".swap"].iter().any(|end| component.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "6cd1a4b5-3c1f-4a7e-9d30-0f4a2b1c5d6e";

    /// `ID` in a path stands for the number.
    fn of(path: &str) -> Option<(String, &'static str, String)> {
        let path = path.replace("ID", ID);
        let named = parse(&path)?;
        Some((named.id.replace(ID, "ID"), named.runtime, named.own.replace(ID, "ID")))
    }

    #[track_caller]
    fn is(path: &str, runtime: &str, own: &str) {
        assert_eq!(of(path), Some(("ID".into(), runtime, own.into())).map(|(a, b, c)| (a, leak(b), c)), "{path}");
    }

    fn leak(text: &str) -> &'static str {
        PREFIXES.iter().map(|(_, runtime, _)| *runtime).chain([""]).find(|known| *known == text).expect("a runtime")
    }

    #[test]
    fn docker() {
        is("/docker/ID", "docker", "/docker/ID");
        is("/system.slice/docker-ID.scope", "docker", "/system.slice/docker-ID.scope");
        is("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope", "docker", {
            "/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope"
        });
        is("/moby/ID", "docker", "/moby/ID");
    }

    #[test]
    fn kubernetes() {
        let slice =
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6cd1a4b5_3c1f_4a7e_9d30_0f4a2b1c5d6e.slice";
        for (name, runtime) in
            [("cri-containerd-ID.scope", "containerd"), ("crio-ID.scope", "crio"), ("docker-ID.scope", "docker")]
        {
            let path = format!("{slice}/{name}");
            is(&path, runtime, &path);
            assert_eq!(pod_uid(&path).as_deref(), Some(POD));
        }
        let folder = format!("/kubepods/besteffort/pod{POD}/ID");
        is(&folder, "", &folder);
        assert_eq!(pod_uid(&folder).as_deref(), Some(POD));
        // the cgroup file system, given a path of systemd's
        let mixed = "/system.slice/containerd.service/kubepods-burstable-pod6cd1a4b5_3c1f_4a7e_9d30_0f4a2b1c5d6e.slice:cri-containerd:ID";
        is(mixed, "containerd", mixed);
        let nested = "/kubepods.slice/kubepods-pod6cd1a4b5_3c1f_4a7e_9d30_0f4a2b1c5d6e.slice:cri-containerd:ID";
        is(nested, "containerd", nested);
        // a pod without a class of its own, and one of the node's files
        assert_eq!(pod_uid(&format!("/kubepods/pod{POD}/x")).as_deref(), Some(POD));
        let file = "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/ID";
        assert_eq!(pod_uid(file).as_deref(), Some("0123456789abcdef0123456789abcdef"));
        // of a cluster within a container
        let kind = format!("/docker/{ID}/kubelet/kubepods/besteffort/pod{POD}/ID");
        is(&kind.replace(ID, "IX"), "", &kind.replace(ID, "IX"));
        assert_eq!(pod_uid(&kind).as_deref(), Some(POD));
    }

    #[test]
    fn a_pod_is_no_container() {
        assert_eq!(of(&format!("/kubepods/besteffort/pod{POD}")), None);
        assert_eq!(of("/kubepods.slice/kubepods-burstable.slice"), None);
        assert_eq!(pod_uid("/kubepods.slice/kubepods-burstable.slice"), None);
        assert_eq!(pod_uid("/docker/pod-of-mine"), None);
        assert_eq!(pod_uid("/kubepods/podnonsense/x"), None);
    }

    #[test]
    fn podman() {
        is("/machine.slice/libpod-ID.scope", "podman", "/machine.slice/libpod-ID.scope");
        is("/machine.slice/libpod-ID.scope/container", "podman", "/machine.slice/libpod-ID.scope");
        is("/libpod_parent/libpod-ID", "podman", "/libpod_parent/libpod-ID");
        is("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container", "podman", {
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope"
        });
        is("/system.slice/web.service/libpod-payload-ID", "podman", "/system.slice/web.service/libpod-payload-ID");
        assert_eq!(of("/machine.slice/libpod-conmon-ID.scope"), None);
        assert_eq!(of("/libpod_parent/conmon"), None);
    }

    #[test]
    fn crio() {
        is("/pod.slice/crio-ID.scope", "crio", "/pod.slice/crio-ID.scope");
        is("/kubepods/burstable/podx/crio-ID", "crio", "/kubepods/burstable/podx/crio-ID");
        assert_eq!(of("/pod.slice/crio-conmon-ID.scope"), None);
    }

    #[test]
    fn low_level_runtimes_take_names() {
        for runtime in ["runc", "crun", "youki"] {
            let scope = format!("/user.slice/{runtime}-my_box.1.scope");
            assert_eq!(of(&scope), Some(("my_box.1".into(), leak(runtime), scope.clone())));
            let folder = format!("/system.slice:{runtime}:my-box");
            assert_eq!(of(&folder), Some(("my-box".into(), leak(runtime), folder.clone())));
        }
    }

    #[test]
    fn others() {
        is("/actions_job/ID", "", "/actions_job/ID");
        is("/machine.slice/somebody-ID.scope", "", "/machine.slice/somebody-ID.scope");
        let task = "0123456789abcdef0123456789abcdef";
        let ecs = format!("/ecs/{task}/{task}-1234567");
        assert_eq!(of(&ecs), Some((format!("{task}-1234567"), "", ecs.clone())));
    }

    #[test]
    fn what_is_below_belongs_to_the_container() {
        for below in ["/init.scope", "/container", "/system.slice/cron.service", "/init.scope/x:y"] {
            is(&format!("/docker/ID{below}"), "docker", "/docker/ID");
        }
    }

    #[test]
    fn the_innermost_counts() {
        let inner = ID.replace('0', "f");
        let path = format!("/docker/{ID}/docker/{inner}/init.scope");
        let named = parse(&path).expect("a container");
        assert_eq!((named.id, named.runtime), (&*inner, "docker"));
        assert_eq!(named.own, format!("/docker/{ID}/docker/{inner}"));
    }

    #[test]
    fn the_host() {
        for path in [
            "",
            "/",
            "//",
            "/init.scope",
            "/user.slice/user-0.slice/session-1.scope",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/docker",
            "/docker/abc",
            "/process_api/4313a198da8928e23b5f84c69afe0a8f",
            "/system.slice/docker-abc.scope",
            "/system.slice/run-r0123456789abcdef0123456789abcdef.scope",
            "/system.slice/systemd-udevd.service:udev:x/y",
            "/é/ü:x:é",
            "/a-\u{0}-",
            "/runc-.scope",
        ] {
            assert_eq!(of(path), None, "{path:?}");
        }
        // upper case is not what runtimes write
        assert_eq!(parse(&format!("/docker/{}", ID.to_uppercase())), None);
    }

    #[test]
    fn names_of_their_own_are_asked_for() {
        let known = |parent: &str, id: &str| (parent == "default" && id == "bar-2").then_some("containerd");
        let named = parse_with("/default/bar-2", known).expect("a container");
        assert_eq!((named.id, named.runtime, named.own), ("bar-2", "containerd", "/default/bar-2"));
        assert_eq!(parse_with("/default/bar-2/sub", known).map(|n| n.own), Some("/default/bar-2"));
        assert_eq!(parse_with("/default/bar-3", known), None);
        // nobody is asked of what cannot be an id, or is systemd's
        let all = |_: &str, _: &str| Some("containerd");
        assert_eq!(parse_with("/default/..", all).map(|n| n.id), Some("default"));
        assert_eq!(parse_with("/system.slice/x.service", all), None);
    }

    #[test]
    fn any_text_is_taken() {
        proptest::proptest!(|(path in "(/?[a-f0-9:.a-z/-]{0,80}(pod|-|\\.scope|\\.slice|é)?){0,6}")| {
            if let Some(named) = parse(&path) {
                proptest::prop_assert!(path.starts_with(named.own) && named.own.contains(named.id));
            }
            pod_uid(&path);
        });
    }
}
