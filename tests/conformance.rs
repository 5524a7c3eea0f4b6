//! docs/CONFORMANCE.md says what the nodes must answer. Each of its rows must name the checks that
//! hold it, and each of those checks must have passed on vivid: its line is in a transcript of
//! `tests/oracle`. What vivid can't show, a test of our own nodes holds, which says so. The page explains its own notation. Where our nodes may answer otherwise is in
//! `tests/oracle/differences.toml`, whose form is checked here too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

const PAGE: &str = "docs/CONFORMANCE.md";
const DIFFERENCES: &str = "tests/oracle/differences.toml";
const ORACLE: &str = "tests/oracle";
const COMPLIANCE: &str = "compliance-vivid.tsv";

/// Where tests of our own nodes are, and how they say which rows they hold.
const END_TO_END: &str = "cli/tests";
const HOLDS: &str = "//! Holds ";

/// The columns of every table of the page.
const HEADER: [&str; 3] = ["done", "answer", "held by"];

/// How a row begins, and goes on, that nothing holds yet.
const SHRBUF_ONLY: &str = "shrbuf only, ";
const NOT_YET: &str = "not yet:";
const LATER: &str = "; later ";

/// vivid single-planar and multi-planar.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
enum Lane {
    Sp,
    Mp,
}

const LANES: [Lane; 2] = [Lane::Sp, Lane::Mp];

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Self::Sp => "sp",
            Self::Mp => "mp",
        }
    }
}

/// What vivid answered: of every check that passed, its line.
#[derive(Debug, Default)]
struct Answers(BTreeMap<(Lane, String), String>);

impl Answers {
    fn get(&self, lane: Lane, id: &str) -> Option<&str> {
        self.0.get(&(lane, id.to_owned())).map(String::as_str)
    }

    /// Takes in what `program` said in `lane`, and gives back what is wrong with it.
    fn read_transcript(&mut self, lane: Lane, program: &str, text: &str) -> Vec<String> {
        let (mut seen, mut problems) = (BTreeSet::new(), Vec::new());
        let (mut passed, mut skipped) = (0, 0);
        let mut lines: Vec<&str> = text.lines().collect();
        let sum = lines.pop().unwrap_or_default();
        for line in lines {
            let (verdict, rest) = line.split_at_checked(VERDICT).unwrap_or((line, ""));
            let (id, said) = rest.split_once(": ").unwrap_or((rest, ""));
            if !id.starts_with(&format!("{program}/")) || said.is_empty() {
                problems.push(format!("is no line of {program}: {line}"));
            } else if !seen.insert(id) {
                problems.push(format!("has {id} twice"));
            }
            match verdict {
                "ok   " => {
                    passed += 1;
                    self.0.insert((lane, id.to_owned()), said.to_owned());
                }
                "SKIP " => skipped += 1,
                _ => problems.push(format!("has what vivid did not pass: {line}")),
            }
        }
        let expected = format!("{passed} passed, 0 failed, {skipped} skipped");
        if sum != expected {
            problems.push(format!("ends with \"{sum}\", its lines make \"{expected}\""));
        }
        problems
    }

    /// Takes in the totals of v4l2-compliance: the line of `compliance/SUITE/COLUMN` is
    /// "VERSION TOTALS". Columns are single-planar, those that begin with "mp-" multi-planar.
    fn read_compliance(&mut self, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let names = text.lines().rfind(|line| line.starts_with("# suite\t"));
        let columns: Vec<&str> = names.unwrap_or_default().split('\t').skip(2).collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut cells = line.split('\t');
            let (suite, version) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
            let totals: Vec<&str> = cells.collect();
            if totals.len() != columns.len() || !totals.iter().all(|one| is_totals(one)) {
                problems.push(format!("has totals missing: {line}"));
            }
            for (column, one) in columns.iter().zip(totals) {
                let (lane, column) = match column.strip_prefix("mp-") {
                    Some(column) => (Lane::Mp, column),
                    None => (Lane::Sp, *column),
                };
                let id = format!("compliance/{suite}/{column}");
                if self.0.insert((lane, id), format!("{version} {one}")).is_some() {
                    problems.push(format!("has {suite} twice"));
                }
            }
        }
        problems
    }
}

/// The length of "ok   ", "FAIL ", "SKIP ".
const VERDICT: usize = 5;

/// "58/0/0": tests, failures, warnings.
fn is_totals(text: &str) -> bool {
    let numbers: Vec<&str> = text.split('/').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

/// A row of the page.
#[derive(Debug)]
struct Row<'a> {
    line: usize,
    done: &'a str,
    answer: &'a str,
    held_by: &'a str,
}

/// A check that a row names: in both lanes, or in one.
#[derive(Debug, Eq, PartialEq)]
struct Named {
    id: String,
    lane: Option<Lane>,
}

#[derive(Debug)]
enum Held {
    By(Vec<Named>),
    NotYet { reason: String, later: Vec<Named> },
}

/// The cells of a table's line, or nothing where it is none.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?;
    Some(inner.strip_suffix('|').unwrap_or(inner).split('|').map(str::trim).collect())
}

/// All rows of all tables, and what is wrong with them.
fn rows(page: &str) -> (Vec<Row<'_>>, Vec<String>) {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let mut place = 0; // in the table: 0 outside, 1 its header, 2 the line below it
    for (index, text) in page.lines().enumerate() {
        let line = index + 1;
        let Some(cells) = cells(text) else {
            place = 0;
            continue;
        };
        place += 1;
        match (place, cells.as_slice()) {
            (1, header) if header == HEADER => {}
            (1, _) => problems.push(format!("line {line} begins a table without {HEADER:?}")),
            (2, _) => {}
            (_, [done, answer, held_by]) if !done.is_empty() && !answer.is_empty() => {
                rows.push(Row { line, done, answer, held_by });
            }
            _ => problems.push(format!("line {line} doesn't have {HEADER:?}: {text}")),
        }
    }
    (rows, problems)
}

/// Reads "`program/check`, `program/*-check` (mp)"; "*" stands for both nodes.
fn named(text: &str) -> Result<Vec<Named>, String> {
    let mut all = Vec::new();
    for item in text.split(", ") {
        let wrong = || format!("\"{item}\" is no `program/check`, with (sp) or (mp) or nothing");
        let (id, lane) =
            item.strip_prefix('`').and_then(|id| id.split_once('`')).ok_or_else(wrong)?;
        let lane = match lane {
            "" => None,
            " (sp)" => Some(Lane::Sp),
            " (mp)" => Some(Lane::Mp),
            _ => return Err(wrong()),
        };
        match id.split_once('/') {
            Some((program, check)) if !program.is_empty() && !check.is_empty() => {}
            _ => return Err(wrong()),
        }
        if id.contains("/*-") {
            let nodes = ["/capture-", "/output-"];
            all.extend(nodes.map(|node| Named { id: id.replacen("/*-", node, 1), lane }));
        } else {
            all.push(Named { id: id.to_owned(), lane });
        }
    }
    Ok(all)
}

/// Reads the last cell of a row.
fn held(cell: &str) -> Result<Held, String> {
    if cell.is_empty() {
        return Err("names no check".to_owned());
    }
    let Some(rest) = cell.strip_prefix(SHRBUF_ONLY).unwrap_or(cell).strip_prefix(NOT_YET) else {
        return named(cell).map(Held::By);
    };
    match rest.trim_start().split_once(LATER) {
        Some((reason, later)) if !reason.is_empty() => {
            Ok(Held::NotYet { reason: reason.to_owned(), later: named(later)? })
        }
        _ => Err(format!("should say \"{NOT_YET} REASON{LATER}`program/check`\": {cell}")),
    }
}

/// What is wrong with `name` as a check of `row`: vivid must have passed it where it says.
fn problem_of(name: &Named, row: &Row<'_>, answers: &Answers) -> Option<String> {
    let totals = name.id.starts_with("compliance/");
    for lane in LANES.into_iter().filter(|lane| name.lane.is_none_or(|only| only == *lane)) {
        let Some(said) = answers.get(lane, &name.id) else {
            let elsewhere = LANES.iter().any(|other| answers.get(*other, &name.id).is_some());
            let hint =
                if elsewhere { ", but in the other lane: say so with (sp) or (mp)" } else { "" };
            let lane = lane.name();
            return Some(format!("names {}, which vivid has not passed in {lane}{hint}", name.id));
        };
        let whole = format!("{} {}", row.done, row.answer);
        if totals && !said.split(' ').all(|word| has_totals(&whole, word)) {
            return Some(format!("names {}, but doesn't say its {said}", name.id));
        }
    }
    None
}

/// Whether `word` stands in `text` and is no part of another number.
fn has_totals(text: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_ascii_digit() || "./".contains(letter);
    text.split(|letter| !part(letter)).any(|piece| piece.trim_end_matches('.') == word)
}

/// What the page comes to.
#[derive(Debug, Default)]
struct Verdict {
    held: usize,
    checks: BTreeSet<String>,
    not_yet: Vec<String>,
    problems: Vec<String>,
}

fn judge(page: &str, answers: &Answers) -> Verdict {
    let (rows, problems) = rows(page);
    let mut verdict = Verdict { problems, ..Verdict::default() };
    for row in rows {
        let of_row = |problem: String| format!("line {} ({}) {problem}", row.line, row.done);
        match held(row.held_by) {
            Err(problem) => verdict.problems.push(of_row(problem)),
            Ok(Held::By(names)) => {
                let wrong = names.iter().filter_map(|name| problem_of(name, &row, answers));
                verdict.problems.extend(wrong.map(of_row));
                verdict.held += 1;
                verdict.checks.extend(names.into_iter().map(|name| name.id));
            }
            Ok(Held::NotYet { reason, later }) => {
                for name in later.iter().filter(|name| is_there(name, answers)) {
                    verdict.problems.push(of_row(format!("can be held by {} now", name.id)));
                }
                verdict.not_yet.push(format!("{}: {} ({reason})", row.line, row.done));
            }
        }
    }
    verdict
}

fn is_there(name: &Named, answers: &Answers) -> bool {
    let mut lanes = LANES.into_iter().filter(|lane| name.lane.is_none_or(|only| only == *lane));
    lanes.any(|lane| answers.get(lane, &name.id).is_some())
}

/// Where an exported buffer's memory lies.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backing {
    Udmabuf,
    Handle,
    Memfd,
}

/// The file of differences explains its fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    check: String,
    lane: Option<Lane>,
    backing: Option<Backing>,
    vivid: String,
    ours: String,
    why: String,
    since: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

fn judge_differences(text: &str, answers: &Answers) -> Vec<String> {
    let list = match toml::from_str::<Differences>(text) {
        Ok(list) => list.difference,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for one in &list {
        let mut wrong = |what: String| problems.push(format!("{}: {what}", one.check));
        for lane in LANES.into_iter().filter(|lane| one.lane.is_none_or(|only| only == *lane)) {
            match answers.get(lane, &one.check) {
                None => wrong(format!("vivid has not passed it in {}", lane.name())),
                Some(said) if !said.contains(&one.vivid) => {
                    wrong(format!("vivid doesn't say \"{}\" in {}", one.vivid, lane.name()));
                }
                Some(_) => {}
            }
            let backing = one.backing.map(|backing| format!("{backing:?}"));
            if !seen.insert((&one.check, lane, backing, &one.vivid)) {
                wrong("is there twice".to_owned());
            }
        }
        if [&one.vivid, &one.ours, &one.why].iter().any(|text| text.trim().is_empty()) {
            wrong("has an empty field".to_owned());
        }
        if one.vivid == one.ours {
            wrong("is no difference".to_owned());
        }
        if !one.since.split('.').all(|number| number.parse::<u32>().is_ok()) {
            wrong(format!("since \"{}\", which is no kernel's version", one.since));
        }
    }
    problems
}

fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The transcripts: the program and the lane in the names of `PROGRAM-LANE.txt`, and the file.
fn transcripts() -> Result<Vec<(String, Lane, String)>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(ORACLE);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let file = entry.map_err(|error| error.to_string())?.file_name();
        let file = file.to_string_lossy();
        for lane in LANES {
            if let Some(program) = file.strip_suffix(&format!("-{}.txt", lane.name())) {
                found.push((program.to_owned(), lane, format!("{ORACLE}/{file}")));
            }
        }
    }
    Ok(found)
}

/// What tests of our own nodes hold, beside the test programs: the names in lines that begin with
/// [`HOLDS`], each with its file.
fn end_to_end() -> Result<BTreeMap<String, String>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(END_TO_END);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let file = entry.map_err(|error| error.to_string())?.file_name();
        let file = file.to_string_lossy();
        if !file.starts_with("sandbox_") {
            continue;
        }
        let text = read(format!("{END_TO_END}/{file}"))?;
        let names = text.lines().filter_map(|line| line.strip_prefix(HOLDS));
        let names = names.flat_map(|line| line.split('`').skip(1).step_by(2));
        found.extend(names.map(|name| (name.to_owned(), file.to_string())));
    }
    Ok(found)
}

/// All that vivid has answered, and what is wrong with the files that say it.
fn answers() -> Result<(Answers, Vec<String>), String> {
    let (mut answers, mut problems) = (Answers::default(), Vec::new());
    for (program, lane, file) in transcripts()? {
        let wrong = answers.read_transcript(lane, &program, &read(&file)?);
        problems.extend(wrong.iter().map(|problem| format!("{file} {problem}")));
    }
    for (id, file) in end_to_end()? {
        for lane in LANES {
            answers.0.insert((lane, id.clone()), file.clone());
        }
    }
    let file = format!("{ORACLE}/{COMPLIANCE}");
    let wrong = answers.read_compliance(&read(&file)?);
    problems.extend(wrong.iter().map(|problem| format!("{file} {problem}")));
    Ok((answers, problems))
}

#[test]
fn the_transcripts_are_sound() {
    let (answers, problems) = answers().expect("transcripts");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let programs = |lane| -> BTreeSet<String> {
        let all = transcripts().expect("transcripts").into_iter();
        all.filter(|(_, its, _)| *its == lane).map(|(program, _, _)| program).collect()
    };
    assert!(!answers.0.is_empty());
    assert_eq!(programs(Lane::Sp), programs(Lane::Mp), "both lanes have the same programs");
}

/// Prints what nothing holds yet: `make test` shows it.
#[test]
fn every_row_of_the_page_is_held_by_a_check() {
    let (answers, _) = answers().expect("transcripts");
    let verdict = judge(&read(PAGE).expect("the page"), &answers);
    let (held, checks, open) = (verdict.held, verdict.checks.len(), verdict.not_yet.len());
    println!("{PAGE}: {held} rows held by {checks} checks, {open} not yet:");
    for row in &verdict.not_yet {
        println!("  not yet, line {row}");
    }
    assert!(held > 0, "{PAGE} has rows");
    let (count, problems) = (verdict.problems.len(), verdict.problems.join("\n"));
    assert!(problems.is_empty(), "{count} problems of {PAGE}:\n{problems}");
}

#[test]
fn the_differences_name_checks_and_both_answers() {
    let (answers, _) = answers().expect("transcripts");
    let problems = judge_differences(&read(DIFFERENCES).expect("the differences"), &answers);
    assert!(problems.is_empty(), "{DIFFERENCES}:\n{}", problems.join("\n"));
}

// ---- the readers of this file --------------------------------------------------------------------

/// Two checks in both lanes, one in mp only, one skipped, and a suite.
fn few_answers() -> Answers {
    let mut answers = Answers::default();
    let both = "ok   some/capture-a: A -> 0; B -> EINVAL\nok   some/output-a: A -> 0\n";
    let sp = format!("{both}SKIP some/planes: one plane\n2 passed, 0 failed, 1 skipped\n");
    let mp = format!("{both}ok   some/planes: A -> 0\n3 passed, 0 failed, 0 skipped\n");
    assert!(answers.read_transcript(Lane::Sp, "some", &sp).is_empty());
    assert!(answers.read_transcript(Lane::Mp, "some", &mp).is_empty());
    let suites = "# words\n# suite\tversion\tcap\tmp-out\nsid\t1.32.0\t49/0/0\t49/1/0\n";
    assert!(answers.read_compliance(suites).is_empty());
    answers
}

/// What is wrong with a page that has one row.
fn problems_of_row(row: &str) -> Vec<String> {
    let page =
        format!("# Page\n\n| done | answer | held by |\n| --- | --- | --- |\n{row}\n\nwords\n");
    judge(&page, &few_answers()).problems
}

#[test]
fn a_row_with_its_checks_is_fine() {
    for row in [
        "| A | 0 | `some/capture-a` |",
        "| A | 0 | `some/*-a`, `some/planes` (mp) |",
        "| A, 1.32.0 | 49/0/0 | `compliance/sid/cap` (sp) |",
        "| A 1.32.0: | of 49/1/0. | `compliance/sid/out` (mp) |",
        "| A | 0 | not yet: nobody has time; later `some/planes` (sp) |",
        "| A | 0 | shrbuf only, not yet: no node exists; later `e2e/*-a` |",
    ] {
        assert_eq!(problems_of_row(row), Vec::<String>::new(), "{row}");
    }
}

#[test]
fn a_row_is_refused_by_name_of_what_is_wrong() {
    for (row, expected) in [
        ("| A | 0 |  |", "line 5 (A) names no check"),
        ("| A | 0 |", "line 5 doesn't have"),
        ("| A | 0 | `some/a` | more |", "line 5 doesn't have"),
        ("|  | 0 | `some/capture-a` |", "line 5 doesn't have"),
        ("| A |  | `some/capture-a` |", "line 5 doesn't have"),
        ("| A | 0 | lifetime |", "\"lifetime\" is no `program/check`"),
        ("| A | 0 | `some` |", "\"`some`\" is no `program/check`"),
        ("| A | 0 | `some/capture-a` (xp) |", "is no `program/check`"),
        ("| A | 0 | `some/capture-a`, |", "is no `program/check`"),
        ("| A | 0 | `some/unknown` |", "names some/unknown, which vivid has not passed in sp"),
        ("| A | 0 | `some/*-b` |", "names some/output-b, which vivid has not passed in sp"),
        (
            "| A | 0 | `some/planes` |",
            "names some/planes, which vivid has not passed in sp, but in",
        ),
        ("| A | 0 | `some/planes` (sp) |", "names some/planes, which vivid has not passed in sp"),
        ("| A 1.32.0 | 49/0/0 | `compliance/sid/cap` |", "has not passed in mp, but in the other"),
        ("| A 1.32.0 | 49/0/1 | `compliance/sid/cap` (sp) |", "doesn't say its 1.32.0 49/0/0"),
        ("| A | 49/0/0 | `compliance/sid/cap` (sp) |", "doesn't say its 1.32.0 49/0/0"),
        ("| A | 0 | not yet: |", "should say"),
        ("| A | 0 | shrbuf only |", "is no `program/check`"),
        ("| A | 0 | not yet: no time |", "should say"),
        ("| A | 0 | not yet: ; later `e2e/a` |", "should say"),
        ("| A | 0 | not yet: no time; later some day |", "is no `program/check`"),
        ("| A | 0 | not yet: no time; later `some/planes` |", "can be held by some/planes now"),
    ] {
        let problems = problems_of_row(row).join("\n");
        assert!(problems.contains(expected), "{row}: {problems}");
    }
}

#[test]
fn a_table_with_other_columns_is_refused() {
    let page = "| done | held by |\n| --- | --- |\n| A | `some/capture-a` |\n";
    let problems = judge(page, &few_answers()).problems;
    assert!(problems[0].starts_with("line 1 begins a table without"), "{problems:?}");
    assert!(problems[1].starts_with("line 3 doesn't have"), "{problems:?}");
}

#[test]
fn rows_that_are_not_yet_held_are_counted() {
    let page = "| done | answer | held by |\n|---|---|---|\n| A | 0 | `some/*-a` |\n\
        | B | 0 | shrbuf only, not yet: no node exists; later `e2e/b` |";
    let verdict = judge(page, &few_answers());
    assert_eq!(verdict.held, 1);
    assert_eq!(verdict.checks.len(), 2);
    assert_eq!(verdict.not_yet, ["4: B (no node exists)"]);
}

#[test]
fn a_transcript_that_is_not_sound_is_refused() {
    for (text, expected) in [
        ("", "ends with \"\""),
        ("ok   some/a: A -> 0\n", "ends with \"ok   some/a: A -> 0\""),
        ("ok   some/a: A -> 0\n2 passed, 0 failed, 0 skipped\n", "its lines make \"1 passed"),
        (
            "FAIL some/a: A -> 0\n0 passed, 1 failed, 0 skipped\n",
            "has what vivid did not pass: FAIL",
        ),
        ("ok   some/a: A\nok   some/a: B\n2 passed, 0 failed, 0 skipped\n", "has some/a twice"),
        ("SKIP some/a: A\nok   some/a: B\n1 passed, 0 failed, 1 skipped\n", "has some/a twice"),
        ("ok   other/a: A\n1 passed, 0 failed, 0 skipped\n", "is no line of some"),
        ("ok   some/a:\n1 passed, 0 failed, 0 skipped\n", "is no line of some"),
        ("é\n0 passed, 0 failed, 0 skipped\n", "is no line of some"),
    ] {
        let problems = Answers::default().read_transcript(Lane::Sp, "some", text).join("\n");
        assert!(problems.contains(expected), "{text:?}: {problems}");
    }
}

#[test]
fn totals_of_suites_that_are_not_sound_are_refused() {
    for (rows, expected) in [
        ("sid\t1.32.0\t49/0/0", "has totals missing"),
        ("sid\t1.32.0\t49/0/0\tnone", "has totals missing"),
        ("sid\t1.32.0\t49/0/0\t49/0", "has totals missing"),
        ("sid\t1\t49/0/0\t49/0/0\nsid\t2\t49/0/0\t49/0/0", "has sid twice"),
    ] {
        let text = format!("# suite\tversion\tcap\tout\n{rows}\n");
        let problems = Answers::default().read_compliance(&text).join("\n");
        assert!(problems.contains(expected), "{rows}: {problems}");
    }
}

/// A good row of the differences, and what is wrong after `from` was replaced by `to`.
fn problems_of_difference(from: &str, to: &str) -> String {
    let good = "[[difference]]\ncheck = \"some/capture-a\"\nlane = \"sp\"\nbacking = \"memfd\"\n\
        vivid = \"A -> 0\"\nours = \"A -> 1\"\nwhy = \"so it is\"\nsince = \"6.12\"\n";
    assert!(good.contains(from), "{from}");
    judge_differences(&good.replacen(from, to, 1), &few_answers()).join("\n")
}

#[test]
fn a_difference_is_refused_by_name_of_what_is_wrong() {
    assert_eq!(problems_of_difference("", ""), "");
    assert_eq!(problems_of_difference("lane = \"sp\"\nbacking = \"memfd\"\n", ""), "");
    assert_eq!(judge_differences("# none\n", &few_answers()), Vec::<String>::new());
    for (from, to, expected) in [
        ("some/capture-a", "some/unknown", "some/unknown: vivid has not passed it in sp"),
        ("check = \"some/capture-a\"", "check = \"some/planes\"", "has not passed it in sp"),
        ("vivid = \"A -> 0\"", "vivid = \"C -> 0\"", "vivid doesn't say \"C -> 0\" in sp"),
        ("ours = \"A -> 1\"", "ours = \"A -> 0\"", "is no difference"),
        ("so it is", " ", "has an empty field"),
        ("6.12", "lately", "no kernel's version"),
        ("memfd", "paper", "unknown variant"),
        ("lane = \"sp\"", "lane = \"tp\"", "unknown variant"),
        ("why = \"so it is\"\n", "", "missing field"),
        ("why", "because", "unknown field"),
        ("[[difference]]", "[[differences]]", "unknown field"),
        ("[[difference]]", "[[difference", "TOML parse error"),
    ] {
        let problems = problems_of_difference(from, to);
        assert!(problems.contains(expected), "{from} as {to}: {problems}");
    }
}

#[test]
fn a_difference_is_listed_once() {
    let row = "[[difference]]\ncheck = \"some/capture-a\"\nvivid = \"A -> 0\"\nours = \"A -> 1\"\n\
        why = \"so it is\"\nsince = \"6.12\"\n";
    let problems = judge_differences(&format!("{row}{row}"), &few_answers()).join("\n");
    assert!(problems.contains("some/capture-a: is there twice"), "{problems}");
}
