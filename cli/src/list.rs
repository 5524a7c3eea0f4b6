//! `shrbuf list`: which nodes are there.

use clap::Args;
use shrbuf::daemon::nodes::NodeStatus;

use crate::failure::Outcome;
use crate::shared::{Socket, print, table};

/// List the daemon's nodes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// As JSON, with more about each.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let nodes = arguments.socket.connect()?.list()?;
    print(&if arguments.json { json(&nodes)? } else { text(&nodes) })?;
    Ok(0)
}

fn json(nodes: &[NodeStatus]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(nodes)? + "\n")
}

fn text(nodes: &[NodeStatus]) -> String {
    let row = |node: &NodeStatus| {
        let state = match (&node.ended, node.streaming) {
            (Some(why), _) => format!("ended: {why}"),
            (None, true) => "streaming".into(),
            (None, false) => "idle".into(),
        };
        vec![
            format!("/dev/{}", node.name),
            format!("/dev/video{}", node.number),
            node.role.to_string(),
            node.mode.clone(),
            node.opens.to_string(),
            node.frames.to_string(),
            node.dropped.to_string(),
            state,
        ]
    };
    let head = ["NAME", "NODE", "ROLE", "MODE", "OPEN", "FRAMES", "DROPPED", "STATE"];
    table(&head, &nodes.iter().map(row).collect::<Vec<_>>())
}
