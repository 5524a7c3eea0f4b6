//! What the programs said, on vivid or on our nodes.

use std::collections::BTreeMap;

/// Of one check: how it came out, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `ok`, `FAIL` or `SKIP`.
    pub verdict: String,
    pub words: String,
}

#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub rows: BTreeMap<String, Answer>,
    /// Each program, and the daemon, with its exit status.
    pub ended: BTreeMap<String, String>,
    seconds: BTreeMap<String, String>,
}

impl Answers {
    /// The output of `nodes/in-guest`.
    pub(crate) fn of_guest(text: &str) -> Self {
        let mut answers = Self::default();
        answers.add(text);
        answers
    }

    /// A transcript. Remarks ("# ") and totals are no answers.
    pub(crate) fn add(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(end) = line.strip_prefix("== ") {
                let mut words = end.split(' ').map(str::to_owned);
                let (program, status) = (words.next(), words.next());
                if let (Some(program), Some(status)) = (program, status) {
                    self.seconds.insert(program.clone(), words.next().unwrap_or_default());
                    self.ended.insert(program, status);
                }
            } else if let Some((verdict, rest)) = line.split_once(' ')
                && matches!(verdict, "ok" | "FAIL" | "SKIP")
                && let Some((check, words)) = rest.trim_start().split_once(": ")
            {
                let answer = Answer { verdict: verdict.to_owned(), words: words.to_owned() };
                self.rows.insert(check.to_owned(), answer);
            }
        }
    }

    pub(crate) fn times(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.ended.iter().map(|(program, status)| {
            let seconds = self.seconds.get(program).map_or("?", String::as_str);
            (program.as_str(), status.as_str(), seconds)
        })
    }
}
