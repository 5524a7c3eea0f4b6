//! Ours beside vivid's. Whatever isn't the same must be listed, and whatever is listed must occur.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::answers::{Answer, Answers};

/// `tests/oracle/differences.toml` explains its fields, and `tests/conformance.rs` checks them.
#[derive(Debug, Deserialize)]
struct Difference {
    check: String,
    lane: Option<String>,
    backing: Option<String>,
    vivid: String,
    ours: String,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Whether a check is one of these programs'.
pub(crate) fn is_of(check: &str, programs: &[&str]) -> bool {
    check.split_once('/').is_some_and(|(program, _)| programs.contains(&program))
}

/// Those of a lane with a backing, by check.
#[derive(Debug, Default)]
pub(crate) struct Differences(BTreeMap<String, Vec<Difference>>);

impl Differences {
    pub(crate) fn read(text: &str, lane: &str, backing: &str, programs: &[&str]) -> Self {
        let file: File = toml::from_str(text).expect("the differences can be read");
        let mut all = Self::default();
        for one in file.difference {
            let here = is_of(&one.check, programs)
                && one.lane.as_deref().is_none_or(|its| its == lane)
                && one.backing.as_deref().is_none_or(|its| its == backing);
            if here {
                all.0.entry(one.check.clone()).or_default().push(one);
            }
        }
        all
    }

    /// Whether vivid's answer, changed as listed, is ours. A check ends at the first step that
    /// fails, and says only that step then.
    fn explain(differences: &[Difference], vivid: &Answer, ours: &Answer) -> bool {
        if ours.verdict == "ok" {
            let changed = differences
                .iter()
                .fold(vivid.words.clone(), |words, one| words.replace(&one.vivid, &one.ours));
            changed == ours.words && changed != vivid.words
        } else {
            differences.iter().any(|one| one.ours == ours.words)
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Rows that are as on vivid.
    pub same: usize,
    /// Rows with a listed difference.
    pub differ: usize,
    pub problems: Vec<String>,
}

pub(crate) fn judge(vivids: &Answers, ours: &Answers, differences: &Differences) -> Verdict {
    let mut verdict = Verdict::default();
    for (check, vivid) in &vivids.rows {
        match ours.rows.get(check) {
            None => verdict.problems.push(format!("{check}: didn't run")),
            Some(answer) => {
                let listed = differences.0.get(check).map(Vec::as_slice);
                row(&mut verdict, check, vivid, answer, listed);
            }
        }
    }
    let unknown = |check: &&String| !vivids.rows.contains_key(*check);
    let more = ours.rows.keys().chain(differences.0.keys()).filter(unknown);
    verdict.problems.extend(more.map(|check| format!("{check}: vivid has never been asked")));
    verdict
}

fn row(
    verdict: &mut Verdict,
    check: &str,
    vivid: &Answer,
    ours: &Answer,
    listed: Option<&[Difference]>,
) {
    let said = format!("{check}:\n  vivid: {vivid}\n  ours:  {ours}");
    match listed {
        None if vivid == ours => verdict.same += 1,
        None => verdict.problems.push(said),
        Some(_) if vivid == ours => {
            verdict.problems.push(format!("{check}: answers as vivid does: unlist the difference"));
        }
        Some(listed) if Differences::explain(listed, vivid, ours) => verdict.differ += 1,
        Some(_) => {
            verdict.problems.push(format!("{said}\n  differs otherwise than listed"));
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.verdict, self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIVID: &str = "ok   p/a: A -> 0; B -> EINVAL\nok   p/b: B -> 0\nSKIP p/d: one plane\n\
        2 passed, 0 failed, 1 skipped\n";
    const OURS: &str = "ok   p/a: A -> 0; B -> EINVAL\nFAIL p/b: B -> got 1, expected 0\n# time\n\
        SKIP p/d: one plane\n1 passed\n== p 1 3\n";
    const LIST: &str = "[[difference]]\ncheck = \"p/b\"\nlane = \"sp\"\nbacking = \"memfd\"\n\
        vivid = \"B -> 0\"\nours = \"B -> got 1, expected 0\"\nwhy = \"so\"\nsince = \"6.12\"\n";

    fn problems(ours: &str, list: &str, lane: &str) -> Vec<String> {
        let mut vivids = Answers::default();
        vivids.add(VIVID);
        let differences = Differences::read(list, lane, "memfd", &["p"]);
        judge(&vivids, &Answers::of_guest(ours), &differences).problems
    }

    #[test]
    fn what_is_listed_is_fine() {
        assert_eq!(problems(OURS, LIST, "sp"), Vec::<String>::new());
        let ok = OURS
            .replace("p/b: B -> got 1, expected 0", "p/b: B -> 2")
            .replace("FAIL p/b", "ok p/b");
        let list = LIST.replace("B -> got 1, expected 0", "B -> 2");
        assert_eq!(problems(&ok, &list, "sp"), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_listed_or_no_longer_occurs_is_named() {
        for (ours, list, lane, expected) in [
            (OURS.to_owned(), LIST, "mp", "p/b:\n  vivid: ok B -> 0"),
            (OURS.replace("got 1", "got 2"), LIST, "sp", "otherwise than listed"),
            (
                OURS.replace("FAIL p/b: B -> got 1, expected 0", "ok   p/b: B -> 0"),
                LIST,
                "sp",
                "unlist the difference",
            ),
            (OURS.replace("SKIP p/d: one plane\n", ""), LIST, "sp", "p/d: didn't run"),
            (OURS.replace("SKIP p/d: one", "SKIP p/d: two"), LIST, "sp", "p/d:\n"),
        ] {
            let problems = problems(&ours, list, lane).join("\n");
            assert!(problems.contains(expected), "{expected}: {problems}");
        }
    }
}
