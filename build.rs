//! Compiles the one piece of C that the sandbox carries with it: `src/sandbox/uml_xstate.c`.

use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const SOURCE: &str = "src/sandbox/uml_xstate.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    let object =
        PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("uml_xstate.so");
    let mut compiler: Command =
        cc::Build::new().opt_level(2).warnings_into_errors(true).get_compiler().to_command();
    compiler.args(["-shared", "-fPIC", "-Wl,-z,noexecstack", "-o"]).arg(&object).arg(SOURCE);
    let status = compiler.status()?;
    if status.success() { Ok(()) } else { Err(format!("{compiler:?} ended with {status}").into()) }
}
