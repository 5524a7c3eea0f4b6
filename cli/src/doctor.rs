//! `shrbuf doctor`: what this machine can do.

use clap::Args;
use shrbuf::daemon::doctor::{Finding, Machine, Verdict};
use shrbuf::sandbox::machine::Engine;
use shrbuf::sandbox::{engine_around, qemu::Qemu, uml::Uml};

use crate::failure::Outcome;
use crate::shared::print;

/// Tell what this machine can do, what is missing, and how to get it.
///
/// Exit status: 0 nodes can be made here; 1 something is missing for that.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut findings = Machine::here().examine();
    match engine_around() {
        Some(engine) => {
            findings.push(Finding::fine("sandbox", format!("this is one (engine {engine})")));
        }
        None => findings.extend([engine("sandbox-uml", &Uml), engine("sandbox-qemu", &Qemu)]),
    }
    let text = if arguments.json {
        serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)? + "\n"
    } else {
        text(&findings)
    };
    print(&text)?;
    let missing = findings.iter().any(|finding| finding.verdict == Verdict::Missing);
    Ok(u8::from(missing))
}

fn engine(name: &'static str, engine: &dyn Engine) -> Finding {
    match engine.available() {
        Ok(()) => {
            Finding::fine(name, format!("`shrbuf sandbox --engine {}` works here", engine.name()))
        }
        Err(error) => {
            let text = error.to_string();
            let (what, remedy) =
                text.split_once("\n  ").unwrap_or((&text, "see `shrbuf sandbox --help`"));
            Finding::short(name, Verdict::Limited, what, remedy)
        }
    }
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Fine => "fine",
            Verdict::Limited => "limited",
            Verdict::Missing => "MISSING",
        };
        text.push_str(&format!("{verdict:<8} {:<13} {}\n", finding.name, finding.what));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("{:<22} {remedy}\n", ""));
        }
    }
    text
}
