//! What `v4l2-compliance`, the field's own judge, says of our nodes: nothing failed, no warning, and
//! no row of streaming left out. The oldest version takes a few things amiss that have come since.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for all reports of one guest, on a busy machine.
const GUEST_SECONDS: &str = "2400";

/// A version of the judge: a Debian suite's. See docs/CONFORMANCE.md.
struct Suite {
    name: &'static str,
    /// Rows of streaming that are tested with `-s 60`, and with `-s 60 -e`.
    streaming: [usize; 2],
    /// Rows that may fail, by lane, and why.
    may_fail: &'static [(&'static str, &'static str, &'static str)],
}

const SUITES: [Suite; 2] = [
    Suite { name: "trixie", streaming: [9, 11], may_fail: &[] },
    Suite { name: "sid", streaming: [9, 11], may_fail: &[] },
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
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", engine, "--timeout", GUEST_SECONDS, "--"])
        .arg("cli/tests/nodes/compliance")
        .arg(env!("CARGO_BIN_EXE_shrbuf"))
        .arg(format!("cli/tests/nodes/compliance-{lane}.toml"))
        .args(SUITES.map(|suite| suite.name))
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
    assert_eq!(reports.len(), COLUMNS.len() * SUITES.len(), "all are there: {out}{err}");
    let mut problems = Vec::new();
    for report in &reports {
        let wrong = report.problems(lane);
        println!("  {} {lane} {}", if wrong.is_empty() { "PASS" } else { "FAIL" }, report.title());
        if !wrong.is_empty() {
            let lines = report.lines.join("\n");
            problems.push(format!("{}: {}\n{lines}", report.title(), wrong.join("; ")));
        }
    }
    assert!(problems.is_empty(), "{}\n{err}", problems.join("\n\n"));
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
        let tries = self.lines.iter().filter(|line| line.starts_with("# ")).count();
        let again =
            if tries > 0 { format!(" ({tries} before had lost frames)") } else { String::new() };
        format!("{} {}: {}{again}", self.suite.name, self.column, self.total())
    }

    /// The rows "test NAME: RESULT" below "Streaming ioctls:", or all.
    fn rows(&self, streaming: bool) -> impl Iterator<Item = (&str, &str)> {
        let from = if streaming {
            let head = self.lines.iter().position(|line| line.starts_with("Streaming ioctls:"));
            head.unwrap_or(self.lines.len())
        } else {
            0
        };
        let rows = self.lines.iter().skip(from).map(|line| line.trim());
        rows.filter_map(|line| line.strip_prefix("test ")?.rsplit_once(": "))
    }

    fn problems(&self, lane: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut failed: Vec<&str> =
            self.rows(false).filter(|(_, result)| *result == "FAIL").map(|(row, _)| row).collect();
        let count = failed.len();
        failed.retain(|row| {
            !self.suite.may_fail.iter().any(|(its, name, _)| *its == lane && name == row)
        });
        problems.extend(failed.iter().map(|row| format!("{row} failed")));
        if !self.total().ends_with(&format!("Failed: {count}, Warnings: 0")) {
            problems.push(format!("{count} rows failed, and the total is: {}", self.total()));
        }
        let exports = self.column.ends_with("-e");
        let expected = match self.column.contains("-s60") {
            true => self.suite.streaming[usize::from(exports)],
            false => 0,
        };
        let done = self.rows(true).filter(|(_, result)| *result == "OK").count();
        if done != expected {
            problems.push(format!("{done} rows of streaming are OK, not {expected}"));
        }
        for (row, result) in self.rows(true) {
            let needs_exporter = row == "DMABUF" && !exports;
            if result != "OK" && !needs_exporter {
                problems.push(format!("{row}: {result}"));
            }
        }
        problems
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
