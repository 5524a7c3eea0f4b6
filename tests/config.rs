//! The configuration's errors, each by its words: the file, the line, the key, and what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is test code")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use shrbuf::daemon::config::Config;
use shrbuf::daemon::spec::{FileFormat, Flow, Pattern, Role, SinkSpec, SourceSpec};

fn parse(text: &str, folder: &Path) -> Result<Config, String> {
    let in_use = |number| (number == 300).then(|| "/dev/video300 is there".to_owned());
    Config::parse(text, "shrbuf.toml", folder, &in_use).map_err(|error| error.to_string())
}

/// What is wrong, and the words that must be in the message, the place first.
const WRONG: &[(&str, &[&str])] = &[
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nnmae = 1\n",
        &[
            "shrbuf.toml:4: device[0].nmae: unknown field `nmae`, expected one of `name`",
            "spelling",
        ],
    ),
    ("[[devices]]\n", &["shrbuf.toml:1: devices: unknown field `devices`", "`device`"]),
    (
        "[[device]]\nname = \"a\"\n",
        &["shrbuf.toml:1: device[0]: missing field `role`", "add the key"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"camera\"\n",
        &["shrbuf.toml:3: device[0].role: unknown variant `camera`", "`capture` or `output`"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nnumber = \"256\"\n",
        &["shrbuf.toml:4: device[0].number: invalid type: string \"256\"", "without quotes"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nnumber = -1\n",
        &["shrbuf.toml:4: device[0].number: ", "-1", "whole number"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = \"YUYV:640x480@30/1\"\n",
        &["shrbuf.toml:4: device[0].modes: ", "in brackets"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { patern = \"smpte\" }\n",
        &["shrbuf.toml:4: device[0].source.patern: unknown field `patern`"],
    ),
    ("[[device]]\nname = \"a\nrole = \"capture\"\n", &["shrbuf.toml:2: ", "correct this line"]),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\n\n[[device]]\nname = \"a\"\nrole = \"output\"\n",
        &["shrbuf.toml:6: device[1].name: 'a' is the name of device[0], too", "of its own"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nnumber = 7\n[[device]]\nname = \"b\"\nrole = \"output\"\nnumber = 7\n",
        &["shrbuf.toml:8: device[1].number: 7 is the number of device[0], too", "free one"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nnumber = 300\n",
        &["shrbuf.toml:4: device[0].number: 300 is in use: /dev/video300 is there", "from 256 up"],
    ),
    (
        "[[device]]\nname = \"Video_Sim\"\nrole = \"capture\"\n",
        &["shrbuf.toml:2: device[0].name: 'Video_Sim' is no name", "small letters"],
    ),
    (
        "[[device]]\nname = \"../etc\"\nrole = \"capture\"\n",
        &["device[0].name: '../etc' is no name"],
    ),
    ("[[device]]\nname = \"\"\nrole = \"capture\"\n", &["device[0].name: '' is no name"]),
    (
        "[[device]]\nname = \"video7\"\nrole = \"capture\"\n",
        &["'video7' is a name that the kernel gives", "number"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\ncard = \"0123456789012345678901234567890123\"\n",
        &["shrbuf.toml:4: device[0].card: ", "1 to 31 bytes"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = []\n",
        &["device[0].modes: a device has 1 to 256 modes, this one has 0"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\n  \"YUYV:640x480@30/1\",\n  \"YUYV:640x480\",\n]\n",
        &["shrbuf.toml:6: device[0].modes[1]: 'YUYV:640x480' is no mode", "YUYV:640x480@30/1"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"YUYV:0x480@30/1\"]\n",
        &["device[0].modes[0]: '0x480' is no size", "1 to 16384"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"YUYV:640x480@30/0\"]\n",
        &["'30/0' is no rate"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"YUYV2:640x480@30/1\"]\n",
        &["'YUYV2' is no pixel format"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"YUYV:+1x480@30/1\"]\n",
        &["'+1x480' is no size"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"YUYV:2x2@30\", \"YUYV:2x2@30/1\"]\n",
        &["device[0].modes[1]: YUYV:2x2@30/1 is in the list already"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"output\"\nsource = { pattern = \"smpte\" }\n",
        &["shrbuf.toml:4: device[0].source: an output device has no source", "capture"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsink = { file = \"a.y4m\" }\n",
        &["shrbuf.toml:4: device[0].sink: a capture device has no sink"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = {}\n",
        &["device[0].source: it does not say where frames come from", "pattern"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { pattern = \"smpte\", file = \"a.y4m\" }\n",
        &["frames come from one place only"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { pattern = \"smpte\", repeat = true }\n",
        &["device[0].source.repeat: this belongs to a source that is a file"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { output = \"b\" }\n",
        &[
            "shrbuf.toml:4: device[0].source.output: there is no output device 'b'",
            "role = \"output\"",
        ],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { file = \"none.y4m\" }\n",
        &[
            "shrbuf.toml:4: device[0].source.file: can't open ",
            "none.y4m: No such file",
            "relative to the folder",
        ],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { file = \"clip\" }\n",
        &["'clip' does not tell what is in the file", "format"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { file = \"folder.y4m\" }\n",
        &["'folder.y4m' is a folder"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { file = \"ring\", format = \"raw\" }\n",
        &["device[0].source.file: can't open ", "symbolic links"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"output\"\nsink = { file = \"a.png\" }\n",
        &["device[0].sink: a stream of frames is no PNG", "snapshot"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"output\"\nsink = { file = \"no/such/a.y4m\" }\n",
        &["device[0].sink.file: can't open ", "make the folder first"],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"output\"\nlimits = { opens = 0 }\n",
        &["device[0].limits.opens: 0 means that nobody may open"],
    ),
    ("[limits]\nbytes_per_uid = -5\n", &["shrbuf.toml:2: limits.bytes_per_uid: "]),
    (
        "[limits]\nopens_per_uid = 0\n",
        &["limits.opens_per_uid: 0 means that nobody may use", "1 is the least"],
    ),
    (
        "[limits]\nreaching_calls_per_uid = 0\n",
        &["limits.reaching_calls_per_uid: 0 means that nobody may use"],
    ),
    ("[limits]\nopen_per_uid = 5\n", &["shrbuf.toml:2: limits.open_per_uid: unknown field"]),
    (
        "[memory]\nmapping = \"mmap\"\n",
        &["shrbuf.toml:2: memory.mapping: unknown variant `mmap`", "`passthrough`"],
    ),
    (
        "[memory]\nexports = \"dmabuf\"\n",
        &["shrbuf.toml:2: memory.exports: unknown variant `dmabuf`", "`udmabuf`", "`handle`"],
    ),
    ("[memory]\nexport = \"memfd\"\n", &["shrbuf.toml:2: memory.export: unknown field `export`"]),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"MJPG:640x480@30/1\"]\n",
        &[
            "shrbuf.toml:4: device[0].modes[0]: MJPG is a format that no node has",
            "YUYV, UYVY, NV12",
        ],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"NM12:640x480@30/1\"]\n",
        &[
            "device[0].modes[0]: the planes of NM12 lie in memory of their own",
            "multiplanar = true",
        ],
    ),
    (
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = [\"NV12:641x480@30/1\"]\n",
        &[
            "device[0].modes[0]: a frame of NV12 can't have 641x480 pixels",
            "a width that 2 divides",
        ],
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_place_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder.y4m")).unwrap();
    symlink("ring", folder.path().join("ring")).unwrap();
    for (text, words) in WRONG {
        let error = parse(text, folder.path()).expect_err(text);
        for word in *words {
            assert!(error.contains(word), "no '{word}' in\n{error}\nof\n{text}");
        }
        let remedy = error.lines().nth(1).unwrap_or_default();
        assert!(remedy.starts_with("  ") && remedy.trim().len() > 4, "no remedy in\n{error}");
    }
}

/// One list of names for the configuration, the command and the source itself.
#[test]
fn every_pattern_has_the_name_that_is_written() {
    for pattern in Pattern::ALL {
        let name = pattern.name();
        let text = format!(
            "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = {{ pattern = \"{name}\" }}"
        );
        let config = parse(&text, Path::new("/")).unwrap();
        let source = &config.devices[0].flow;
        assert!(matches!(source, Flow::Capture(SourceSpec::Pattern(found)) if *found == pattern));
        shrbuf::device::source::PatternSource::new(name).unwrap();
    }
}

#[test]
fn a_file_that_cant_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |path: &Path| Config::load(path, &|_| None).unwrap_err().to_string();
    let missing = load(&folder.path().join("none.toml"));
    assert!(missing.contains("none.toml: can't be read: No such file"), "{missing}");
    assert!(missing.contains("--config"), "{missing}");
    let is_folder = load(folder.path());
    assert!(is_folder.contains("is a folder"), "{is_folder}");
    let path = folder.path().join("noise.toml");
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(load(&path).contains("UTF-8"));
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(load(&path).contains("more than 1048576 bytes"));
}

#[test]
fn the_example_of_the_design_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("clip.y4m"), "YUV4MPEG2 ").unwrap();
    let text = r#"
        [[device]]
        name   = "video-sim"
        role   = "capture"
        number = 256
        modes  = ["YUYV:1280x720@30/1", "NV12:1920x1080@60000/1001"]
        source = { file = "clip.y4m", repeat = true }
        [[device]]
        name = "loop"
        role = "capture"
        source = { output = "display-sim" }
        [[device]]
        name = "display-sim"
        role = "output"
        multiplanar = true
        sink = { file = "shown.y4m" }
    "#;
    let config = parse(text, folder.path()).unwrap();
    let names: Vec<&str> = config.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["video-sim", "display-sim", "loop"], "a loopback is started last");
    let camera = &config.devices[0];
    assert_eq!((camera.number, camera.card.as_str()), (Some(256), "shrbuf video-sim"));
    assert_eq!(camera.modes[0].to_string(), "YUYV:1280x720@30/1");
    assert_eq!(camera.modes[1].to_string(), "NV12:1920x1080@60000/1001");
    let Flow::Capture(SourceSpec::File { format: FileFormat::Y4m, repeat: true, file, .. }) =
        &camera.flow
    else {
        panic!("{camera:?}")
    };
    assert_eq!(file.name, "clip.y4m");
    let display = &config.devices[1];
    assert!(display.multiplanar && matches!(display.flow, Flow::Output(SinkSpec::File { .. })));
    assert_eq!(config.devices[2].follows(), Some("display-sim"));
}

#[test]
fn without_a_file_there_are_the_two_nodes() {
    let config = Config::built_in().unwrap();
    let roles: Vec<(&str, Role)> =
        config.devices.iter().map(|device| (device.name.as_str(), device.role())).collect();
    assert_eq!(roles, [("display-sim", Role::Output), ("video-sim", Role::Capture)]);
    let source = &config.devices[1].flow;
    assert!(matches!(source, Flow::Capture(SourceSpec::Pattern(Pattern::Smpte))));
}

/// What a sink wrote yesterday goes when the daemon starts, but not for a mistake elsewhere.
#[test]
fn a_sink_is_emptied_only_where_nothing_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shown.raw");
    fs::write(&path, "yesterday").unwrap();
    let sink = "[[device]]\nname = \"a\"\nrole = \"output\"\nsink = { file = \"shown.raw\" }\n";
    let wrong = format!("{sink}[[device]]\nname = \"B\"\nrole = \"output\"\n");
    parse(&wrong, folder.path()).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "yesterday");
    parse(sink, folder.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

/// Opening a FIFO waits for the other end, and the daemon must not.
#[test]
fn a_fifo_is_opened_without_its_other_end() {
    let folder = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&folder.path().join("in"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for device in [
        "role = \"capture\"\nsource = { file = \"in\", format = \"raw\" }",
        "role = \"output\"\nsink = { file = \"in\", format = \"raw\" }",
    ] {
        parse(&format!("[[device]]\nname = \"a\"\n{device}\n"), folder.path()).unwrap();
    }
}

/// A daemon that has a video node open could be waiting for itself.
#[test]
fn a_device_is_no_source() {
    let text = "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { file = \"/dev/tty\", format = \"raw\" }";
    let text = text.replace("/dev/tty", "/dev/ptmx");
    let error = parse(&text, Path::new("/")).unwrap_err();
    assert!(error.contains("is a device"), "{error}");
    parse(&text.replace("/dev/ptmx", "/dev/zero"), Path::new("/")).unwrap();
}
