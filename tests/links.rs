//! The names in `/dev`, in a folder that plays the machine.
#![allow(clippy::unwrap_used, reason = "this is test code")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::getegid;
use shrbuf::daemon::links::Links;
use shrbuf::daemon::spec::Role;
use tempfile::TempDir;

/// A machine with these CUSE devices, alive.
struct Machine(TempDir);

impl Machine {
    fn new(devices: &[u32]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for folder in ["dev", "run", "sys/class/cuse"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        for number in devices {
            machine.plug(*number);
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn plug(&self, number: u32) {
        fs::create_dir(self.at(&format!("sys/class/cuse/video{number}"))).unwrap();
        fs::write(self.at(&format!("dev/video{number}")), "").unwrap();
    }

    fn unplug(&self, number: u32) {
        fs::remove_dir(self.at(&format!("sys/class/cuse/video{number}"))).unwrap();
        fs::remove_file(self.at(&format!("dev/video{number}"))).unwrap();
    }

    fn links(&self) -> Links {
        Links::below(self.0.path()).with(Some(getegid()), Duration::ZERO)
    }

    fn leads(&self, name: &str) -> Option<PathBuf> {
        fs::read_link(self.at("dev").join(name)).ok()
    }

    fn records(&self) -> usize {
        fs::read_dir(self.at("run/shrbuf/nodes")).map_or(0, Iterator::count)
    }
}

fn up(links: &Links, name: &str, number: u32) -> Result<(), String> {
    links
        .announce(name, number, Role::Capture)
        .and_then(|()| links.publish(name, number))
        .map_err(|error| error.to_string())
}

#[test]
fn a_node_gets_its_name_group_and_mode_and_loses_it() {
    let machine = Machine::new(&[256]);
    let links = machine.links();
    up(&links, "video-sim", 256).unwrap();
    assert_eq!(machine.leads("video-sim").unwrap(), Path::new("video256"));
    let node = fs::metadata(machine.at("dev/video256")).unwrap();
    assert_eq!((node.permissions().mode() & 0o777, node.gid()), (0o660, getegid().as_raw()));
    links.withdraw("video-sim", 256);
    assert_eq!((machine.leads("video-sim"), machine.records()), (None, 0));
    assert_eq!(fs::read_dir(machine.at("dev")).unwrap().count(), 1, "nothing but the node is left");
}

#[test]
fn what_is_not_ours_is_neither_replaced_nor_removed() {
    let machine = Machine::new(&[256]);
    let links = machine.links();
    fs::write(machine.at("dev/file"), "theirs").unwrap();
    symlink("video256", machine.at("dev/link")).unwrap();
    symlink("/etc/passwd", machine.at("dev/away")).unwrap();
    fs::create_dir(machine.at("dev/folder")).unwrap();
    for name in ["file", "link", "away", "folder"] {
        let error = up(&links, name, 256).unwrap_err();
        assert!(error.contains(&format!("dev/{name} is there already and is not ours")), "{error}");
        assert!(error.contains("another name"), "{error}");
        links.withdraw(name, 256);
        assert!(machine.at("dev").join(name).symlink_metadata().is_ok(), "{name} is still there");
    }
    assert_eq!(fs::read_to_string(machine.at("dev/file")).unwrap(), "theirs");
}

/// A link is looked at, not what it leads to.
#[test]
fn a_link_that_leads_nowhere_is_not_replaced() {
    let machine = Machine::new(&[256]);
    let links = machine.links();
    symlink("/nowhere", machine.at("dev/video-sim")).unwrap();
    let error = up(&links, "video-sim", 256).unwrap_err();
    assert!(error.contains("a link to /nowhere"), "{error}");
    links.withdraw("video-sim", 256);
    assert_eq!(machine.leads("video-sim").unwrap(), Path::new("/nowhere"));
}

/// Someone put something of their own in the place of our link.
#[test]
fn a_name_that_was_taken_over_stays() {
    let machine = Machine::new(&[256]);
    let links = machine.links();
    up(&links, "video-sim", 256).unwrap();
    fs::remove_file(machine.at("dev/video-sim")).unwrap();
    symlink("video0", machine.at("dev/video-sim")).unwrap();
    links.withdraw("video-sim", 256);
    assert_eq!(machine.leads("video-sim").unwrap(), Path::new("video0"));
    assert_eq!(machine.records(), 0);
}

#[test]
fn what_a_killed_daemon_left_is_cleared_and_what_lives_is_not() {
    let machine = Machine::new(&[256, 257]);
    let links = machine.links();
    up(&links, "video-sim", 256).unwrap();
    up(&links, "display-sim", 257).unwrap();
    machine.unplug(256);
    machine.links().clear_stale();
    assert_eq!(machine.leads("video-sim"), None);
    assert_eq!(machine.leads("display-sim").unwrap(), Path::new("video257"));
    assert_eq!(machine.records(), 1);
}

#[test]
fn a_name_of_a_dead_device_is_taken_over_and_one_of_a_living_device_is_not() {
    let machine = Machine::new(&[256, 257]);
    let links = machine.links();
    up(&links, "video-sim", 256).unwrap();
    let error = up(&links, "video-sim", 257).unwrap_err();
    assert!(error.contains("another daemon's name for video256"), "{error}");
    machine.unplug(256);
    up(&links, "video-sim", 257).unwrap();
    assert_eq!(machine.leads("video-sim").unwrap(), Path::new("video257"));
}

#[test]
fn udev_is_left_to_do_it_and_helped_out_where_it_does_not() {
    let machine = Machine::new(&[256, 257]);
    fs::create_dir_all(machine.at("run/udev")).unwrap();
    fs::write(machine.at("run/udev/control"), "").unwrap();
    let links = machine.links();
    assert!(links.udev_runs());
    links.announce("video-sim", 256, Role::Capture).unwrap();
    symlink("video256", machine.at("dev/video-sim")).unwrap(); // as the rule does
    let mode = |number: u32| {
        fs::metadata(machine.at(&format!("dev/video{number}"))).unwrap().permissions().mode()
    };
    let before = mode(256);
    links.publish("video-sim", 256).unwrap();
    assert_eq!(mode(256), before, "udev has set it");
    up(&links, "display-sim", 257).unwrap();
    assert_eq!(machine.leads("display-sim").unwrap(), Path::new("video257"));
}

#[test]
fn a_device_without_a_node_is_told() {
    let machine = Machine::new(&[]);
    let error = up(&machine.links(), "video-sim", 256).unwrap_err();
    assert!(error.contains("/dev/video256 did not appear"), "{error}");
    assert!(error.contains("devtmpfs"), "{error}");
}

/// udev's rule imports these lines.
#[test]
fn the_record_is_what_the_rule_reads() {
    let machine = Machine::new(&[]);
    machine.links().announce("display-sim", 300, Role::Output).unwrap();
    let text = fs::read_to_string(machine.at("run/shrbuf/nodes/video300")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"SHRBUF_NAME=display-sim"), "{text}");
    assert!(lines.contains(&"ID_V4L_CAPABILITIES=:video_output:"), "{text}");
    let rule = include_str!("../udev/70-shrbuf.rules");
    assert!(rule.contains("IMPORT{file}=\"/run/shrbuf/nodes/%k\""), "{rule}");
    assert!(rule.contains("SYMLINK+=\"$env{SHRBUF_NAME}\""), "{rule}");
}

/// Records are root's, but what they say becomes a path.
#[test]
fn a_record_that_names_no_device_removes_nothing() {
    let machine = Machine::new(&[]);
    fs::create_dir_all(machine.at("run/shrbuf/nodes")).unwrap();
    symlink("video256", machine.at("run/keep")).unwrap();
    fs::write(machine.at("run/shrbuf/nodes/video256"), "SHRBUF_NAME=../run/keep\n").unwrap();
    machine.links().clear_stale();
    assert!(machine.at("run/keep").symlink_metadata().is_ok());
    assert_eq!(machine.records(), 0);
}
