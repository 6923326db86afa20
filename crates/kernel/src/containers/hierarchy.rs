//! The hierarchy of cgroups by which containers can be told, and its file system.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use tracee_core::time::Clock;

/// Controllers by which containers are told where they are of version 1, best first, in the order of `enum hierarchy` in
/// bpf/include/containers.h, which begins with version 2. Runtimes make a cgroup for each container under every one of
/// them; cpuset is the one that nothing else makes cgroups under.
const CONTROLLERS: [&str; 3] = ["cpuset", "memory", "pids"];
/// Of the root of every hierarchy.
const ROOT_INODE: u64 = 1;
/// A tree that has more is not walked to its end.
const MOST_CGROUPS: usize = 1 << 16;
/// `FILEID_KERNFS`: a handle of eight bytes, the cgroup's id.
const KERNFS_HANDLE: i32 = 0xfe;

/// A hierarchy, as the kernel side is to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// `enum hierarchy`
    pub kind: u32,
    /// The kernel's number of it.
    pub id: u32,
    /// All controllers of it, as the mount's options name them; empty: version 2.
    controllers: String,
}

impl Hierarchy {
    /// The one that runtimes make their cgroups in here.
    pub fn find() -> Hierarchy {
        choose(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
    }

    /// Its file system, found where it is mounted, else mounted for us alone.
    ///
    /// # Errors
    /// It is nowhere to be seen, and may not be mounted.
    pub fn open(&self) -> io::Result<Tree> {
        let mounts = fs::read("/proc/self/mountinfo")?;
        let mut places = mounts.split(|byte| *byte == b'\n').filter_map(|line| place(line, &self.controllers));
        let whole = |place: &PathBuf| fs::metadata(place).is_ok_and(|place| place.ino() == ROOT_INODE);
        let root = match places.find(whole) {
            Some(place) => File::open(place)?,
            None => self.mount()?,
        };
        Ok(Tree { base: fs::read_link(link(&root))?, root })
    }

    /// In the host's cgroup namespace, so that the root is the hierarchy's.
    fn mount(&self) -> io::Result<File> {
        std::thread::scope(|scope| {
            let mounted = scope.spawn(|| {
                if let Ok(host) = File::open("/proc/1/ns/cgroup") {
                    // SAFETY: takes an open descriptor; only this thread is moved, and it ends below
                    if unsafe { libc::setns(host.as_raw_fd(), libc::CLONE_NEWCGROUP) } != 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                mount(&self.controllers)
            });
            mounted.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
        })
    }
}

/// By the lines of /proc/PID/cgroup: number, controllers, path.
fn choose(text: &str) -> Hierarchy {
    let lines = || {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .filter_map(|(id, rest)| Some((id.parse::<u32>().ok()?, rest.split_once(':')?.0)))
    };
    for (kind, name) in (1..).zip(CONTROLLERS) {
        if let Some((id, all)) = lines().find(|(_, all)| all.split(',').any(|controller| controller == name)) {
            return Hierarchy { kind, id, controllers: all.to_owned() };
        }
    }
    Hierarchy { kind: 0, id: 0, controllers: String::new() }
}

/// Where a line of mountinfo says that the hierarchy is mounted as a whole.
fn place(line: &[u8], controllers: &str) -> Option<PathBuf> {
    let line = std::str::from_utf8(line).ok()?;
    let (mount, kind) = line.split_once(" - ")?;
    let mut words = mount.split(' ').skip(3);
    let (root, place) = (words.next()?, words.next()?);
    let mut words = kind.split(' ');
    let (kind, options) = (words.next()?, words.nth(1)?);
    let fits = match controllers.split(',').next() {
        Some("") | None => kind == "cgroup2",
        Some(first) => kind == "cgroup" && options.split(',').any(|option| option == first),
    };
    (fits && root == "/").then(|| PathBuf::from(place.replace("\\040", " ")))
}

fn link(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn done(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// A mount that stands nowhere: gone with its descriptor (5.2).
fn mount(controllers: &str) -> io::Result<File> {
    const SET_FLAG: libc::c_long = 0;
    const CREATE: libc::c_long = 6;
    let kind: &CStr = if controllers.is_empty() { c"cgroup2" } else { c"cgroup" };
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: system calls that take descriptors we hold, and texts that end with NUL; each gives a new descriptor
    unsafe {
        let system = done(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1))?;
        let system = OwnedFd::from_raw_fd(system as i32);
        for name in controllers.split(',').filter(|name| !name.is_empty()) {
            let name = std::ffi::CString::new(name)?;
            done(libc::syscall(libc::SYS_fsconfig, system.as_raw_fd(), SET_FLAG, name.as_ptr(), none, 0))?;
        }
        done(libc::syscall(libc::SYS_fsconfig, system.as_raw_fd(), CREATE, none, none, 0))?;
        let root = done(libc::syscall(libc::SYS_fsmount, system.as_raw_fd(), 1, 0))?;
        Ok(File::from_raw_fd(root as i32))
    }
}

/// The file system of a hierarchy.
pub struct Tree {
    root: File,
    /// Where it is mounted.
    base: PathBuf,
}

impl Tree {
    /// Each cgroup with its id, its path from the root, and when it was made (ns since boot), parents first. One that goes
    /// meanwhile may be missing.
    pub fn walk(&self, each: &mut dyn FnMut(u64, &[u8], u64)) {
        let clock = Clock::now();
        let (root, mut folders, mut seen) = (PathBuf::from(link(&self.root)), vec![PathBuf::new()], 0);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let below = folder.join(entry.file_name());
                let made = entry.metadata().map_or(0, |it| it.ctime() * 1_000_000_000 + it.ctime_nsec());
                each(entry.ino(), &[b"/", below.as_os_str().as_bytes()].concat(), (made - clock.offset).max(0) as u64);
                folders.push(below);
                seen += 1;
            }
            if seen > MOST_CGROUPS {
                return;
            }
        }
    }

    /// The path of a cgroup from the root; `None` where it is gone.
    pub fn path(&self, cgroup: u64) -> Option<Vec<u8>> {
        #[repr(C)]
        struct Handle {
            bytes: u32,
            kind: i32,
            id: [u8; 8],
        }
        let mut handle = Handle { bytes: 8, kind: KERNFS_HANDLE, id: cgroup.to_ne_bytes() };
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY;
        // SAFETY: the handle is laid out as struct file_handle, and outlives the call, which gives a descriptor of our own
        let cgroup = unsafe {
            let fd = libc::syscall(libc::SYS_open_by_handle_at, self.root.as_raw_fd(), &mut handle, flags);
            File::from_raw_fd(done(fd).ok()? as i32)
        };
        let path = fs::read_link(link(&cgroup)).ok()?;
        let below = path.strip_prefix(&self.base).map(Path::to_path_buf).unwrap_or(path);
        let below = below.strip_prefix("/").map(Path::to_path_buf).unwrap_or(below);
        Some([b"/", &*below.into_os_string().into_vec()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_version() {
        let v2 = Hierarchy { kind: 0, id: 0, controllers: String::new() };
        assert_eq!(choose("0::/init.scope\n"), v2);
        // a stray hierarchy of version 1, as VPN clients make
        assert_eq!(choose("1:net_cls:/\n0::/user.slice\n"), v2);
        assert_eq!(choose("4:name=systemd:/x:y\n0::/\n"), v2);
        assert_eq!(choose("nonsense\n7\n:::\n"), v2);
        let hybrid = "9:name=systemd:/\n8:pids:/\n4:memory:/\n3:cpuset:/a\n1:cpu,cpuacct:/\n0::/\n";
        assert_eq!(choose(hybrid), Hierarchy { kind: 1, id: 3, controllers: "cpuset".into() });
        assert_eq!(choose("8:pids,memory:/\n"), Hierarchy { kind: 2, id: 8, controllers: "pids,memory".into() });
    }

    #[test]
    fn mounts() {
        let v2 = b"30 20 0:26 / /sys/fs/my\\040cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(place(v2, ""), Some("/sys/fs/my cgroup".into()));
        assert_eq!(place(v2, "cpuset"), None);
        let v1 = b"31 20 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        assert_eq!(place(v1, "cpuacct,cpu"), Some("/sys/fs/cgroup/cpu".into()));
        assert_eq!(place(v1, "memory"), None);
        assert_eq!(place(v1, ""), None);
        // a part of it, as containers have it
        let part = b"31 20 0:27 /docker/x /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct";
        assert_eq!(place(part, "cpu"), None);
        assert_eq!(place(b"", ""), None);
    }

    #[test]
    fn every_cgroup_is_found_by_its_id() {
        let Ok(tree) = Hierarchy::find().open() else { return println!("skipped: no cgroups to be seen here") };
        let mut count = 0;
        tree.walk(&mut |cgroup, path, made| {
            // one may have gone meanwhile
            if let Some(found) = tree.path(cgroup) {
                assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(path));
                assert!(made <= tracee_core::time::since_boot());
                count += 1;
            }
        });
        println!("{count} cgroups");
        assert_eq!(tree.path(ROOT_INODE).as_deref(), Some(&b"/"[..]));
        assert_eq!(tree.path(u64::MAX), None);
    }
}
