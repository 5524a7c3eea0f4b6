//! `shrbuf buffers`: who holds which buffer.

use clap::Args;
use shrbuf::daemon::nodes::{BufferRow, BufferState, Hold, Holder, NodeUse, Usage, Used, UserUse};

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
    /// Show what nodes and users have of what is limited, instead.
    #[arg(long, conflicts_with = "node")]
    limits: bool,
    /// Of this node only.
    node: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let daemon = arguments.socket.connect()?;
    let text = if arguments.limits {
        let usage = daemon.usage()?;
        if arguments.json {
            pretty(serde_json::to_string_pretty(&usage))?
        } else {
            usage_text(&usage)
        }
    } else {
        let rows = daemon.buffers(arguments.node.clone())?;
        if arguments.json { pretty(serde_json::to_string_pretty(&rows))? } else { text(&rows) }
    };
    print(&text)?;
    Ok(0)
}

fn pretty(json: serde_json::Result<String>) -> anyhow::Result<String> {
    Ok(json? + "\n")
}

fn usage_text(usage: &Usage) -> String {
    let of = |used: &Used| format!("{}/{}", used.now, used.limit);
    let node = |row: &NodeUse| vec![row.node.clone(), of(&row.opens), of(&row.bytes)];
    let user = |row: &UserUse| {
        vec![
            row.uid.to_string(),
            of(&row.opens),
            of(&row.buffers),
            of(&row.bytes),
            of(&row.orphaned_bytes),
            of(&row.waiting_calls),
            of(&row.reaching_calls),
        ]
    };
    let nodes: Vec<_> = usage.nodes.iter().map(node).collect();
    let users: Vec<_> = usage.users.iter().map(user).collect();
    table(&["NODE", "OPEN", "BYTES"], &nodes)
        + "\n"
        + &table(&["UID", "OPEN", "BUFFERS", "BYTES", "ORPHANED", "WAITING", "REACHING"], &users)
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
