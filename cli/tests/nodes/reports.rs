//! What `v4l2-compliance`, the field's own judge, says of our nodes: nothing failed, no warning, and
//! no row of streaming left out. The oldest version takes a few things amiss that have come since.
//!
//! A busy machine loses frames, which is a warning. So a report with such a gap is made again, and
//! each row should have been without in one of three; a row that never was is told of as a skip.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for all reports of one guest, on a busy machine.
const GUEST_SECONDS: &str = "2400";

/// A version of the judge: a Debian suite's. See docs/CONFORMANCE.md.
struct Suite {
    name: &'static str,
    /// How it is run; see `cli/tests/nodes/compliance`.
    ways: &'static [&'static str],
    /// Rows of streaming that are tested with `-s 60`, and with `-s 60 -e`.
    streaming: [usize; 2],
    exceptions: &'static [Exception],
}

/// What a version takes amiss that it doesn't know yet.
struct Exception {
    lane: &'static str,
    /// The row that fails; none for a warning.
    row: Option<&'static str>,
    /// Of the line that says why.
    because: &'static str,
}

const SUITES: [Suite; 3] = [
    Suite { name: "trixie", ways: &ALL_WAYS, streaming: [9, 11], exceptions: &[] },
    Suite { name: "sid", ways: &ALL_WAYS, streaming: [9, 11], exceptions: &[] },
    // With `-e` it tests all that it does without.
    Suite { name: "bookworm", ways: &["s60-e"], streaming: [7, 9], exceptions: &OF_1_22 },
];

const ALL_WAYS: [&str; 3] = ["plain", "s60", "s60-e"];

/// `max_num_buffers` (Linux 6.8) was reserved then. NM12 has had another name (until Linux 6.2), so
/// the list of formats ends before it, and whatever asks for it afterwards misses it there.
const OF_1_22: [Exception; 7] = [
    failure("sp", BUFFERS, RESERVED),
    failure("mp", BUFFERS, RESERVED),
    failure(
        "mp",
        "VIDIOC_ENUM_FMT/FRAMESIZES/FRAMEINTERVALS",
        "fmtdesc.description mismatch: was 'Y/UV 4:2:0 (N-C)', expected 'Y/CbCr 4:2:0 (N-C)'",
    ),
    failure("mp", "VIDIOC_G_FMT", UNLISTED),
    failure("mp", "VIDIOC_TRY_FMT", UNLISTED),
    failure("mp", "VIDIOC_S_FMT", UNLISTED),
    Exception {
        lane: "mp",
        row: None,
        because: "S_PARM is supported for buftype 9, but not for ENUM_FRAMEINTERVALS",
    },
];

const BUFFERS: &str = "VIDIOC_REQBUFS/CREATE_BUFS/QUERYBUF";
const RESERVED: &str = "check_0(crbufs.reserved, sizeof(crbufs.reserved))";
const UNLISTED: &str = "pixelformat 32314d4e (NM12) for buftype";

const fn failure(lane: &'static str, row: &'static str, because: &'static str) -> Exception {
    Exception { lane, row: Some(row), because }
}

/// Rows of a plain report that are more than "OK (Not Supported)"; of the last one ENUMINPUT or
/// ENUMOUTPUT. Requests want a media device, which is nothing that user space can make.
const SUPPORTED: [&str; 21] = [
    "VIDIOC_QUERYCAP",
    "invalid ioctls",
    "VIDIOC_G/S_PRIORITY",
    "for unlimited opens",
    "VIDIOC_LOG_STATUS",
    "VIDIOC_QUERY_EXT_CTRL/QUERYMENU",
    "VIDIOC_QUERYCTRL",
    "VIDIOC_G/S_CTRL",
    "VIDIOC_G/S/TRY_EXT_CTRLS",
    "VIDIOC_(UN)SUBSCRIBE_EVENT/DQEVENT",
    "VIDIOC_ENUM_FMT/FRAMESIZES/FRAMEINTERVALS",
    "VIDIOC_G/S_PARM",
    "VIDIOC_G_FMT",
    "VIDIOC_TRY_FMT",
    "VIDIOC_S_FMT",
    "VIDIOC_REQBUFS/CREATE_BUFS/QUERYBUF",
    "CREATE_BUFS maximum buffers",
    "VIDIOC_REMOVE_BUFS",
    "VIDIOC_EXPBUF",
    "blocking wait",
    "VIDIOC_G/S/ENUM",
];

/// As `cli/tests/nodes/compliance` names them.
const COLUMNS: [&str; 6] = ["cap", "cap-s60", "cap-s60-e", "out", "out-s60", "out-s60-e"];

/// A report as it was printed.
struct Report<'a> {
    suite: &'a Suite,
    column: &'a str,
    lines: Vec<&'a str>,
}

/// All reports in a guest of `engine` on the nodes of `lane`, `sp` or `mp`, for the test `name`.
pub(crate) fn compliant(engine: &str, lane: &str, name: &str) {
    for suite in &SUITES {
        let got = Command::new("tools/v4l-utils").arg(suite.name).current_dir(root()).output();
        let got = got.expect("a script runs");
        if !got.status.success() {
            let said = String::from_utf8_lossy(&got.stderr).replace('\n', " ");
            return println!(
                "SKIP {name}: {}'s v4l2-compliance is not to be had: {said}",
                suite.name
            );
        }
    }
    let emulated = engine == "qemu";
    let all = SUITES.iter().flat_map(|suite| suite.ways.iter().map(move |way| (suite, *way)));
    // Emulation takes its time: what `-s 60 -e` tests too is left out, and frames come more slowly.
    let asked: Vec<(&Suite, &str)> = all
        .filter(|(suite, way)| !emulated || (*way != "s60" && suite.name != "bookworm"))
        .collect();
    let config = root().join(format!("cli/tests/nodes/compliance-{lane}.toml"));
    let mut modes = fs::read_to_string(config).expect("a configuration");
    if emulated {
        modes = modes.replace("@5/1", "@2/1").replace("@10/1", "@5/1");
    }
    let config =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compliance-{engine}-{lane}.toml"));
    fs::write(&config, modes).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", engine, "--timeout", GUEST_SECONDS, "--"])
        .arg("cli/tests/nodes/compliance")
        .arg(env!("CARGO_BIN_EXE_shrbuf"))
        .arg(config)
        .args(asked.iter().map(|(suite, way)| format!("{}:{way}", suite.name)))
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.code() == Some(77) {
        return println!("SKIP {name}: {}", err.replace('\n', " "));
    }
    assert!(output.status.success(), "{out}{err}");
    let reports = reports(&out);
    let different: BTreeSet<_> =
        reports.iter().map(|report| (report.suite.name, report.column)).collect();
    assert_eq!(different.len(), 2 * asked.len(), "all are there: {out}{err}");
    let (mut problems, mut lost) = (Vec::new(), BTreeSet::new());
    for report in &reports {
        let Found { problems: wrong, lost: here } = report.problems(lane, &reports);
        lost.extend(here);
        println!("  {} {lane} {}", if wrong.is_empty() { "PASS" } else { "FAIL" }, report.title());
        if !wrong.is_empty() {
            let lines = report.lines.join("\n");
            problems.push(format!("{}: {}\n{lines}", report.title(), wrong.join("; ")));
        }
    }
    assert!(problems.is_empty(), "{}\n{err}", problems.join("\n\n"));
    if !lost.is_empty() {
        let rows: Vec<_> = lost.into_iter().collect();
        println!(
            "SKIP {name}/lost-frames: the machine was too busy for each frame of {}",
            rows.join(", ")
        );
    }
}

/// What is wrong with a report.
#[derive(Default)]
struct Found {
    problems: Vec<String>,
    /// Rows that lost frames each time.
    lost: Vec<String>,
}

/// What the guest said, cut at the lines "== SUITE COLUMN STATUS SECONDS".
fn reports(out: &str) -> Vec<Report<'_>> {
    let (mut all, mut lines) = (Vec::new(), Vec::new());
    for line in out.lines() {
        let Some(end) = line.strip_prefix("== ") else {
            lines.push(line);
            continue;
        };
        let mut words = end.split(' ');
        let (name, column) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let suite = SUITES.iter().find(|suite| suite.name == name).expect("a suite of ours");
        assert!(COLUMNS.contains(&column), "{line}");
        all.push(Report { suite, column, lines: std::mem::take(&mut lines) });
    }
    all
}

impl Report<'_> {
    fn total(&self) -> &str {
        let total = self.lines.iter().find_map(|line| line.strip_prefix("Total for "));
        total.and_then(|line| line.split_once(": ")).map_or("no total", |(_, numbers)| numbers)
    }

    fn title(&self) -> String {
        format!("{} {}: {}", self.suite.name, self.column, self.total())
    }

    /// The rows "test NAME: RESULT", each with what is said of it above.
    fn rows(&self) -> Vec<(&str, &str, Vec<&str>)> {
        let (mut rows, mut said) = (Vec::new(), Vec::new());
        for line in &self.lines {
            let row = line.trim().strip_prefix("test ").and_then(|row| row.rsplit_once(": "));
            match row {
                Some((row, result)) => rows.push((row, result, std::mem::take(&mut said))),
                None => said.push(*line),
            }
        }
        rows
    }

    /// Whether the row lost no frame.
    fn is_whole(&self, row: &str) -> bool {
        self.rows()
            .iter()
            .any(|(its, _, said)| *its == row && !said.iter().any(|line| is_gap(line)))
    }

    fn problems(&self, lane: &str, all: &[Report<'_>]) -> Found {
        let tries: Vec<&Report<'_>> = all
            .iter()
            .filter(|other| (other.suite.name, other.column) == (self.suite.name, self.column))
            .collect();
        let excused = |row: Option<&str>, line: &str| {
            self.suite
                .exceptions
                .iter()
                .any(|one| one.lane == lane && one.row == row && line.contains(one.because))
        };
        let Found { mut problems, mut lost } = Found::default();
        let (mut failures, mut warnings) = (0, 0);
        let (mut streaming, mut done) = (false, 0);
        for (row, result, said) in self.rows() {
            streaming |= said.iter().any(|line| line.starts_with("Streaming ioctls:"));
            for warning in said.iter().filter(|line| line.contains("warn: ")) {
                warnings += 1;
                if is_gap(warning) {
                    if !tries.iter().any(|other| other.is_whole(row)) {
                        lost.push(format!("{} {}: {row}", self.suite.name, self.column));
                    }
                } else if !excused(None, warning) {
                    problems.push(format!("{row}: {}", warning.trim()));
                }
            }
            if result == "FAIL" {
                failures += 1;
                let why = said.iter().find(|line| line.contains("fail: ")).unwrap_or(&"");
                if !excused(Some(row), why) {
                    problems.push(format!("{row}: {}", why.trim()));
                }
            } else if streaming && result == "OK" {
                done += 1;
            } else if streaming && (row != "DMABUF" || self.exports()) {
                problems.push(format!("{row}: {result}"));
            }
        }
        let total = format!("Failed: {failures}, Warnings: {warnings}");
        if !self.total().ends_with(&total) {
            problems.push(format!("the rows make {total}, the total is: {}", self.total()));
        }
        if !self.column.contains("-s60") {
            let missed = SUPPORTED.iter().filter(|wanted| {
                !self
                    .rows()
                    .iter()
                    .any(|(row, result, _)| row.starts_with(*wanted) && *result == "OK")
            });
            problems.extend(missed.map(|row| format!("{row} is not supported")));
        }
        let [without, with] = self.suite.streaming;
        let expected = match self.column.contains("-s60") {
            true if self.exports() => with,
            true => without,
            false => 0,
        };
        if done != expected {
            problems.push(format!("{done} rows of streaming are OK, not {expected}"));
        }
        Found { problems, lost }
    }

    fn exports(&self) -> bool {
        self.column.ends_with("-e")
    }
}

fn is_gap(line: &str) -> bool {
    line.contains("warn: ") && line.contains("got sequence number ")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
