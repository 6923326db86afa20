//! Packets in files, as tcpdump and others read them.

mod common;
mod network;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use network::{read, recorded};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracee_core::network::capture::{Captures, Kept, Owner, Settings, Split};

fn owner(pid: u32) -> Owner<'static> {
    Owner { pid, start_time: 5, command: b"cu/rl", executable: b"/usr/bin/curl", container: "" }
}

fn settings(folder: &Path, split: Split) -> Settings {
    Settings { folder: folder.to_owned(), split, snap_length: 65535 }
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn listed(folder: &Path) -> Vec<Value> {
    let text = std::fs::read(folder.join("metadata.json")).expect("a list");
    serde_json::from_slice(&text).expect("a JSON array")
}

fn keep_all(captures: &mut Captures, owner: &Owner, name: &str) -> usize {
    let packets = recorded(name);
    for packet in &packets {
        captures.packet(owner, packet.time, &packet.bytes, packet.bytes.len() as u32);
    }
    packets.len()
}

#[test]
fn a_file_a_process_and_what_is_listed_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made/here");
    let mut captures = Captures::new(settings(&path, Split::Process)).expect("captures");
    let count = keep_all(&mut captures, &owner(1234), "http.pcap");
    keep_all(&mut captures, &owner(99), "icmp.pcap");
    captures.ended(&owner(1234));
    let names = files(&path);
    let seconds = recorded("http.pcap")[0].time / 1_000_000_000;
    assert_eq!(names.iter().filter(|name| name.ends_with("-1234.pcap")).count(), 1);
    let name = format!("capture-{seconds}-1234.pcap");
    assert!(names.contains(&name), "{names:?}");
    let bytes = std::fs::read(path.join(&name)).expect("the file");
    let (kept, original) = (read(&bytes), recorded("http.pcap"));
    assert_eq!(kept.len(), count);
    assert!(kept
        .iter()
        .zip(&original)
        .all(|(kept, original)| kept.bytes == original.bytes && kept.time == original.time));
    let mode = std::fs::metadata(path.join(&name)).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let entry = &listed(&path)[0];
    assert_eq!(entry["file"], name.as_str());
    assert_eq!(entry["process"]["pid"], 1234);
    assert_eq!(entry["process"]["executable"], "/usr/bin/curl");
    assert_eq!((entry["packets"].as_u64(), entry["size"].as_u64()), (Some(count as u64), Some(bytes.len() as u64)));
    assert_eq!(entry["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
    drop(captures);
    // another run goes on in the same list
    drop(Captures::new(settings(&path, Split::Process)).expect("captures"));
    assert_eq!(listed(&path).len(), 2);
}

#[test]
fn other_tools_read_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut captures = Captures::new(settings(folder.path(), Split::Single)).expect("captures");
    let count = keep_all(&mut captures, &owner(1), "http.pcap") + keep_all(&mut captures, &owner(2), "fragments.pcap");
    captures.close();
    let file = files(folder.path()).into_iter().find(|name| name.ends_with(".pcap")).expect("a file");
    let file = folder.path().join(file);
    for (tool, arguments) in [("tcpdump", &["-n", "-r"][..]), ("tshark", &["-n", "-r"])] {
        let output = Command::new(tool).args(arguments).arg(&file).output();
        let output = output.unwrap_or_else(|e| panic!("{tool}: {e}; scripts/prerequisites.sh test installs it"));
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8_lossy(&output.stdout).lines().count();
        assert_eq!(lines, count, "{tool}");
    }
}

#[test]
fn more_files_than_can_be_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut captures = Captures::new(settings(folder.path(), Split::Process)).expect("captures");
    let packets = recorded("icmp.pcap");
    for packet in &packets {
        for pid in 1..=200 {
            captures.packet(&owner(pid), packet.time, &packet.bytes, packet.bytes.len() as u32);
        }
    }
    captures.close();
    assert_eq!(captures.problem(), None);
    let names = files(folder.path());
    assert_eq!(names.len(), 201);
    for name in names.iter().filter(|name| name.ends_with(".pcap")) {
        assert_eq!(read(&std::fs::read(folder.path().join(name)).expect("a file")).len(), packets.len(), "{name}");
    }
    assert_eq!(captures.kept().packets, 200 * packets.len() as u64);
}

#[test]
fn packets_are_cut_and_files_split_as_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { snap_length: 40, ..settings(folder.path(), Split::Command) };
    let mut captures = Captures::new(settings).expect("captures");
    keep_all(&mut captures, &owner(1), "http.pcap");
    keep_all(&mut captures, &owner(2), "http.pcap");
    captures.close();
    let names = files(folder.path());
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with("-cu_rl.pcap"), "a name leads nowhere else: {names:?}");
    let bytes = std::fs::read(folder.path().join(&names[0])).expect("a file");
    assert!(read(&bytes).iter().all(|packet| packet.bytes.len() <= 40));
}

#[test]
fn no_link_is_followed_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let seconds = recorded("icmp.pcap")[0].time / 1_000_000_000;
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "kept").expect("written");
    std::os::unix::fs::symlink(&victim, folder.path().join(format!("capture-{seconds}-7.pcap"))).expect("a link");
    let mut captures = Captures::new(settings(folder.path(), Split::Process)).expect("captures");
    keep_all(&mut captures, &owner(7), "icmp.pcap");
    captures.close();
    assert_eq!(std::fs::read(&victim).expect("read"), b"kept");
    assert!(files(folder.path()).contains(&format!("capture-{seconds}-7-2.pcap")));

    let linked = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(&victim, linked.path().join("metadata.json")).expect("a link");
    let refused = Captures::new(settings(linked.path(), Split::Process)).err().expect("an error");
    assert!(refused.contains("metadata.json"), "{refused}");
    std::fs::remove_file(linked.path().join("metadata.json")).expect("removed");
    std::fs::write(linked.path().join("metadata.json"), "{\"another\": \"tool's\"}").expect("written");
    assert!(Captures::new(settings(linked.path(), Split::Process)).is_err());
}

#[test]
fn a_file_that_was_changed_meanwhile_is_not_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut captures = Captures::new(settings(folder.path(), Split::Process)).expect("captures");
    keep_all(&mut captures, &owner(1), "icmp.pcap");
    captures.flush();
    let name = files(folder.path()).into_iter().find(|name| name.ends_with("-1.pcap")).expect("a file");
    std::fs::write(folder.path().join(&name), "changed").expect("written");
    // enough others that the first is closed
    for pid in 2..100 {
        keep_all(&mut captures, &owner(pid), "icmp.pcap");
    }
    assert_eq!(captures.problem(), None);
    keep_all(&mut captures, &owner(1), "icmp.pcap");
    assert!(captures.problem().expect("told").contains("is not as it was left"));
    assert!(captures.kept().lost_packets > 0);
}

/// Run again by itself, in a mount namespace where the folder is a file system of 64 KiB.
#[test]
fn a_full_folder_is_told_and_what_was_written_stays_whole() {
    let Some(folder) = std::env::var_os("TRACEE_FULL_FOLDER") else {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "mount -t tmpfs -o size=64k none \"$TRACEE_FULL_FOLDER\" && exec \"$0\" --exact \"$1\"";
        let output = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .arg(std::env::current_exe().expect("this test"))
            .arg("a_full_folder_is_told_and_what_was_written_stays_whole")
            .env("TRACEE_FULL_FOLDER", folder.path())
            .output()
            .expect("unshare");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    };
    let folder = Path::new(&folder);
    let mut captures = Captures::new(settings(folder, Split::Process)).expect("captures");
    let mut sent = 0;
    for _ in 0..10 {
        sent += keep_all(&mut captures, &owner(1), "http.pcap") as u64;
        captures.flush();
    }
    let problem = captures.problem().expect("told");
    assert!(problem.contains("No space left on device"), "{problem}");
    let Kept { packets, lost_packets, .. } = captures.kept();
    assert!(packets > 0 && lost_packets > 0);
    assert_eq!(packets + lost_packets, sent);
    let name = files(folder).into_iter().find(|name| name.ends_with(".pcap")).expect("a file");
    assert_eq!(read(&std::fs::read(folder.join(&name)).expect("read")).len() as u64, packets);
}
