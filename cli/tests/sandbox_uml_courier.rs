//! The courier against callers that know nothing of it, on CUSE in a user-mode Linux.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is test code"
)]

#[path = "courier/callers.rs"]
mod callers;
#[path = "courier/node.rs"]
mod node;

use std::process::{Command, Stdio};

/// Outside it starts a guest that runs this very test inside, where it runs all.
#[test]
fn the_courier_serves_callers_on_cuse() {
    let name = "the_courier_serves_callers_on_cuse";
    if std::env::var_os(callers::INSIDE).is_some() {
        for (name, test) in callers::ALL {
            println!("{name}");
            test();
        }
        return;
    }
    callers::build();
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", "uml", "--", "env"])
        .args([format!("{}=1", callers::INSIDE), format!("SHRBUF_ROUNDS={}", callers::rounds())])
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture"])
        .stdin(Stdio::null())
        .output()
        .expect("the sandbox starts");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        println!("SKIP {name}: {}", err.trim().replace('\n', " "));
        return;
    }
    println!("{out}{err}");
    assert!(output.status.success());
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    callers::serve_if_told();
}
