//! Messages as text, and a session whose kernel is a script.
#![allow(dead_code, reason = "not every test uses all of it")]

use cuse_rs::channel::script::Script;
use cuse_rs::{Cuse, CuseConfig, Fuse, FuseConfig, Session};

/// No answer.
pub(crate) const NOTHING: Vec<Vec<u8>> = Vec::new();

/// Bytes from hexadecimal digits; blanks separate, and `#` starts a comment.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let digits: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte: {text}");
    let byte = |place| u8::from_str_radix(&digits[place..place + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The other way, for messages of failed tests.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request of user 1000, group 100, thread 4242 to node 2, with this number; `length` and `opcode`
/// are hexadecimal, as is the body.
pub(crate) fn request(length: &str, opcode: &str, unique: u8, body: &str) -> Vec<u8> {
    hex(&format!(
        "{length} {opcode} {unique:02x}00000000000000 0200000000000000 \
         e8030000 64000000 92100000 0000 0000 {body}"
    ))
}

/// `OPEN` with this number.
pub(crate) fn open(unique: u8) -> Vec<u8> {
    request("30000000", "0e000000", unique, "02800000 00000000")
}

/// `READ` of 16 bytes from the open file 5, with this number.
pub(crate) fn read(unique: u8) -> Vec<u8> {
    let body =
        "0500000000000000 0000000000000000 10000000 00000000 0000000000000000 02800000 00000000";
    request("50000000", "0f000000", unique, body)
}

/// `INTERRUPT` for the request `target`; its own number is the target's and the lowest bit.
pub(crate) fn interrupt(target: u8) -> Vec<u8> {
    request("30000000", "24000000", target | 1, &format!("{target:02x}00000000000000"))
}

/// The answer to the request `unique` that refuses it.
pub(crate) fn refusal(unique: u8, errno: i32) -> Vec<u8> {
    let mut bytes = hex("10000000");
    bytes.extend((-errno).to_le_bytes());
    bytes.extend(u64::from(unique).to_le_bytes());
    bytes
}

/// `CUSE_INIT` of a 7.45 kernel.
pub(crate) fn cuse_init() -> Vec<u8> {
    request("38000000", "00100000", 2, "07000000 2d000000 00000000 01000000")
}

/// `INIT` of a 7.45 kernel that offers all flags.
pub(crate) fn fuse_init() -> Vec<u8> {
    let unused = "00000000".repeat(11);
    let body = format!("07000000 2d000000 00000200 ffffff7f ffffffff {unused}");
    request("68000000", "1a000000", 2, &body)
}

/// A character device after its handshake.
pub(crate) fn device() -> (Script, Session<Cuse>) {
    let script = Script::new();
    script.message(&cuse_init());
    let session = Session::<Cuse>::new(script.clone(), &CuseConfig::new("a")).expect("a session");
    assert_eq!(script.sent().len(), 1);
    (script, session)
}

/// A file system after its handshake.
pub(crate) fn file_system() -> (Script, Session<Fuse>) {
    let script = Script::new();
    script.message(&fuse_init());
    let session = Session::<Fuse>::new(script.clone(), &FuseConfig::default()).expect("a session");
    assert_eq!(script.sent().len(), 1);
    (script, session)
}
