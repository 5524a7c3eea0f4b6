//! `shrbuf buffers`: who holds which buffer.

use clap::Args;
use shrbuf::daemon::nodes::{BufferRow, BufferState, Hold, Holder};

use crate::failure::Outcome;
use crate::shared::{Socket, print, table};

/// Show the buffers that are alive, and who holds them.
///
/// Who is not root sees the ones charged to them or held by their own processes, and no other
/// holders.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Of this node only.
    node: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let rows = arguments.socket.connect()?.buffers(arguments.node.clone())?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)? + "\n"
    } else {
        text(&rows)
    };
    print(&text)?;
    Ok(0)
}

fn text(rows: &[BufferRow]) -> String {
    let row = |row: &BufferRow| {
        let slot = row.slot.map_or("-".into(), |slot| format!("{slot}.{}", row.plane));
        vec![
            row.id.to_string(),
            row.node.clone(),
            slot,
            state(row.state).into(),
            row.len.to_string(),
            row.uid.to_string(),
            if row.held { "yes" } else { "no" }.into(),
            row.imported_by.join(","),
            row.holders.iter().map(holder).collect::<Vec<_>>().join(", "),
        ]
    };
    let head =
        ["BUFFER", "NODE", "SLOT", "STATE", "BYTES", "UID", "HELD", "IMPORTED BY", "HOLDERS"];
    table(&head, &rows.iter().map(row).collect::<Vec<_>>())
}

fn holder(holder: &Holder) -> String {
    let how = match holder.hold {
        Hold::Descriptor => "fd",
        Hold::Mapping => "map",
    };
    // A program names itself: no control character of its reaches a terminal.
    let name: String =
        holder.name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    format!("{name}[{}] {how}x{}", holder.pid, holder.count)
}

fn state(state: BufferState) -> &'static str {
    match state {
        BufferState::Dequeued => "dequeued",
        BufferState::Preparing => "preparing",
        BufferState::Queued => "queued",
        BufferState::Active => "active",
        BufferState::Done => "done",
        BufferState::Error => "error",
        BufferState::Orphaned => "orphaned",
    }
}
