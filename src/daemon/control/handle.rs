//! One request, one answer.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::wire::{Answer, ErrorKind, PROTOCOL, Request};
use crate::daemon::config::{self, files::Passed};
use crate::daemon::supervisor::{NodeError, Supervisor, Viewer};

/// Answers a line. What comes second goes with the answer.
pub fn line(
    supervisor: &Supervisor,
    viewer: Viewer,
    line: &[u8],
    descriptors: Vec<OwnedFd>,
) -> (Answer, Option<OwnedFd>) {
    match serde_json::from_slice(line) {
        Ok(request) => match answer(supervisor, viewer, request, descriptors) {
            Ok(answer) => answer,
            Err(Refusal(kind, message)) => (Answer::error(kind, message), None),
        },
        Err(error) => {
            let message = format!("this is no request: {error}\n  docs/CONTROL.md has examples");
            (Answer::error(ErrorKind::Malformed, message), None)
        }
    }
}

/// Why there is no answer but an error: for programs, and for people.
struct Refusal(ErrorKind, String);

fn answer(
    supervisor: &Supervisor,
    viewer: Viewer,
    request: Request,
    descriptors: Vec<OwnedFd>,
) -> Result<(Answer, Option<OwnedFd>), Refusal> {
    let answer = match request {
        Request::Hello {} => Answer::Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
        },
        Request::List {} => Answer::Nodes { nodes: supervisor.list() },
        Request::Buffers { node } => Answer::Buffers {
            buffers: supervisor.buffers(node.as_deref(), viewer).map_err(refuse)?,
        },
        Request::Usage {} => Answer::Usage(supervisor.usage(viewer)),
        Request::Snapshot { node } => {
            let picture = supervisor.snapshot(&node).map_err(refuse)?;
            let file = memory_file(&picture).map_err(|error| {
                Refusal(ErrorKind::Failed, format!("no memory for the picture: {error}"))
            })?;
            return Ok((Answer::Snapshot { bytes: picture.len() as u64 }, Some(file)));
        }
        Request::Add { device } => {
            only_root(viewer, "add a node")?;
            let mut files = Passed::new(descriptors);
            let unfit = |fault: config::check::Fault| Refusal(ErrorKind::Unfit, fault.to_string());
            let spec = config::device(*device, &mut files).map_err(unfit)?;
            if files.left() > 0 {
                let message = "more descriptors came than the device names files\n  send one for each file, the source's or the sink's";
                return Err(Refusal(ErrorKind::Malformed, message.into()));
            }
            Answer::Added { node: supervisor.add(&spec).map_err(refuse)? }
        }
        Request::Remove { node, force } => {
            only_root(viewer, "remove a node")?;
            supervisor.remove(&node, force).map_err(refuse)?;
            Answer::Removed { node }
        }
    };
    Ok((answer, None))
}

fn only_root(viewer: Viewer, what: &str) -> Result<(), Refusal> {
    match viewer {
        Viewer::Privileged => Ok(()),
        Viewer::User(uid) => {
            tracing::info!(uid, "refused: only root may {what}");
            let message = format!("only root may {what}\n  use sudo");
            Err(Refusal(ErrorKind::Forbidden, message))
        }
    }
}

fn refuse(error: NodeError) -> Refusal {
    tracing::info!(%error, "refused");
    let kind = match &error {
        _ if error.is_environment() => ErrorKind::Environment,
        NodeError::NoSuchNode(_) | NodeError::NothingToFollow(_) => ErrorKind::NoSuchNode,
        NodeError::NameInUse(_)
        | NodeError::NumberInUse(_)
        | NodeError::Open { .. }
        | NodeError::Followed { .. } => ErrorKind::InUse,
        NodeError::Ending
        | NodeError::NoNumber
        | NodeError::Link(_)
        | NodeError::Start { .. }
        | NodeError::Snapshot { .. } => ErrorKind::Failed,
    };
    Refusal(kind, error.to_string())
}

/// A file that nobody can change any more.
fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = std::fs::File::from(memfd_create("snapshot.png", flags)?);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}
