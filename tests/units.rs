//! The rule, the unit and the modules file of `udev/`, judged by the programs that will read them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("udev").join(name)
}

/// `None` where the program is not there.
fn ran(command: &mut Command) -> Option<Output> {
    command.output().ok()
}

#[track_caller]
fn is_clean(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("shrbuf.service:"), "{said}");
}

#[test]
fn the_rule_is_one_for_udev() {
    let mut verify = Command::new("udevadm");
    verify.args(["verify", "--resolve-names=never"]).arg(file("70-shrbuf.rules"));
    // `verify` came with systemd 254.
    let known = ran(Command::new("udevadm").arg("--help"))
        .is_some_and(|help| String::from_utf8_lossy(&help.stdout).contains("verify"));
    if !known {
        println!("SKIP the_rule_is_one_for_udev: no udevadm verify (systemd 254 or newer has it)");
        return;
    }
    let output = verify.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The units run /usr/bin/shrbuf; what is verified runs a program that is there.
#[test]
fn the_unit_is_one_for_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        ("shrbuf.service", "ExecStart=/usr/bin/shrbuf daemon --helpers /run/shrbuf-helper.sock\n"),
        ("shrbuf-helper@.service", "ExecStart=@/usr/bin/shrbuf shrbuf-helper 3\n"),
        ("shrbuf-helper.socket", ""),
    ];
    for (name, command) in commands {
        let text = fs::read_to_string(file(name)).unwrap();
        assert!(command.is_empty() || text.matches(command).count() == 1, "{name}: {text}");
        // Manual pages are installed with the program.
        let text = text.replace("/usr/bin/shrbuf ", "/bin/true ");
        let pages = text.lines().filter(|line| !line.starts_with("Documentation="));
        fs::write(folder.path().join(name), pages.collect::<Vec<_>>().join("\n")).unwrap();
    }
    let instance = folder.path().join("shrbuf-helper@0.service");
    fs::copy(folder.path().join("shrbuf-helper@.service"), &instance).unwrap();
    let units = [folder.path().join("shrbuf.service"), instance];
    match ran(Command::new("systemd-analyze").arg("verify").args(units)) {
        Some(output) => is_clean(&output),
        None => println!("SKIP the_unit_is_one_for_systemd: no systemd-analyze (package systemd)"),
    }
}

/// The socket is where the daemon looks for it.
#[test]
fn the_daemon_and_the_socket_unit_mean_one_path() {
    let daemon = fs::read_to_string(file("shrbuf.service")).unwrap();
    let (_, rest) = daemon.split_once("--helpers ").unwrap();
    let path = rest.split_whitespace().next().unwrap();
    let socket = fs::read_to_string(file("shrbuf-helper.socket")).unwrap();
    assert!(socket.contains(&format!("ListenSequentialPacket={path}\n")), "{path}");
}

/// Ten times what `systemd-analyze security` says of a unit: a figure above it is a step back.
const CEILINGS: [(&str, &str); 2] = [("shrbuf.service", "20"), ("shrbuf-helper@.service", "58")];

/// Whatever is left of what systemd could take from the daemon and its helpers stands in
/// docs/SECURITY.md, under the name that `systemd-analyze security` has for it.
#[test]
fn each_exposure_of_the_units_has_its_reason() {
    let name = "each_exposure_of_the_units_has_its_reason";
    let reasons = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SECURITY.md");
    // A bar in a table's cell is escaped.
    let reasons = fs::read_to_string(reasons).unwrap().replace("\\|", "|");
    for (unit, ceiling) in CEILINGS {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--no-pager", "--offline=true", "--threshold", ceiling]);
        let Some(output) = ran(analyze.arg(file(unit)).env("SYSTEMD_COLORS", "0")) else {
            return println!("SKIP {name}: no systemd-analyze (package systemd)");
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if said.contains("unrecognized option") {
            return println!(
                "SKIP {name}: this systemd-analyze can't judge a file (250 or newer can)"
            );
        }
        println!("{}", said.lines().rfind(|line| line.contains("Overall")).unwrap_or(&said));
        assert!(output.status.success(), "{unit} is more exposed than {ceiling} tenths:\n{said}");
        let section = reasons.split("\n### ").find(|text| text.contains(&format!("`{unit}`")));
        let section = section.unwrap_or_else(|| panic!("docs/SECURITY.md says nothing of {unit}"));
        let left =
            said.lines().filter_map(|line| line.strip_prefix('✗')?.split_whitespace().next());
        let unnamed: Vec<&str> =
            left.filter(|exposure| !section.contains(&format!("`{exposure}`"))).collect();
        assert!(unnamed.is_empty(), "{unit}: docs/SECURITY.md has no reason for {unnamed:?}");
    }
}

/// As systemd-modules-load reads it.
#[test]
fn the_modules_file_has_names_only() {
    let text = fs::read_to_string(file("modules-load.conf")).unwrap();
    let names: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(names.contains(&"cuse"));
    let plain = |name: &&str| {
        name.trim_start_matches('-')
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    assert!(names.iter().all(plain), "{names:?}");
}
