//! Where in the text a key stands, and which key stands at a place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::check::{Key, Step};

/// An error that the TOML reader found: its own words, with our place.
pub(super) fn of_syntax(text: &str, file: &str, error: &toml::de::Error) -> ConfigError {
    let offset = error.span().map(|span| span.start);
    let key = offset.and_then(|offset| {
        let document = DeTable::parse(text).ok()?;
        Some(in_table(document.get_ref(), offset))
    });
    // Serde speaks of Rust's types.
    let what = error
        .message()
        .replace("expected u32", "expected a whole number from 0 to 4294967295, without quotes")
        .replace("expected u64", "expected a whole number, without quotes")
        .replace(
            "expected a sequence",
            "expected a list in brackets, like [\"YUYV:640x480@30/1\"]",
        );
    let remedy = if what.starts_with("unknown field") {
        "correct the key's spelling, or take it away"
    } else if what.starts_with("missing field") {
        "add the key"
    } else {
        "correct this line"
    };
    ConfigError {
        file: file.into(),
        line: offset.map(|offset| line_at(text, offset)),
        key: key.unwrap_or_default(),
        what: what.lines().collect::<Vec<_>>().join("; "),
        remedy: remedy.into(),
    }
}

/// The line of `key`, or of what is nearest around it, from 1.
pub(super) fn line_of(text: &str, key: &Key) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut line = None;
    let mut present: Option<&DeValue<'_>> = None;
    for step in &key.0 {
        let next = match (step, present) {
            (Step::Name(name), None) => entry(document.get_ref(), name),
            (Step::Name(name), Some(DeValue::Table(table))) => entry(table, name),
            (Step::Index(index), Some(DeValue::Array(list))) => list.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        line = Some(line_at(text, next.span().start));
        present = Some(next.get_ref());
    }
    line
}

fn entry<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}

fn in_table(table: &DeTable<'_>, offset: usize) -> String {
    for (key, value) in table {
        if key.span().contains(&offset) {
            return key.get_ref().to_string();
        }
        if let Some(inside) = in_value(value, offset) {
            return format!("{}{inside}", key.get_ref());
        }
    }
    String::new()
}

/// What is to be added to a value's key, if the place is in the value.
fn in_value(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    let here = value.span().contains(&offset).then(String::new);
    match value.get_ref() {
        DeValue::Table(table) => match in_table(table, offset) {
            inner if inner.is_empty() => here,
            inner => Some(format!(".{inner}")),
        },
        DeValue::Array(list) => {
            let mut inner = list.iter().enumerate();
            inner
                .find_map(|(index, value)| Some(format!("[{index}]{}", in_value(value, offset)?)))
                .or(here)
        }
        _ => here,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
