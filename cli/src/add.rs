//! `shrbuf add`: one more node.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use shrbuf::daemon::config::raw::{RawDevice, RawLimits, RawSink, RawSource};
use shrbuf::daemon::spec::{FileFormat, Pattern, Role};

use crate::failure::Outcome;
use crate::shared::{Socket, print};

/// Add a node to the running daemon (root only).
///
/// Files are opened by this command, by your rights; the daemon gets them open.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// /dev/NAME will lead to the node: small letters, digits and '-'.
    name: String,
    /// A camera or a display.
    #[arg(value_enum)]
    role: RoleName,
    /// /dev/videoN; left out: the first free number from 256 up.
    #[arg(long, value_name = "N")]
    number: Option<u32>,
    /// What programs show; left out: 'shrbuf NAME'.
    #[arg(long)]
    card: Option<String>,
    /// A mode, like YUYV:640x480@30/1; may be given more than once, the default first.
    #[arg(long = "mode", value_name = "MODE")]
    modes: Vec<String>,
    /// The multi-planar API instead of the single-planar one.
    #[arg(long)]
    multiplanar: bool,
    /// capture: a drawn picture (this is the usual source).
    #[arg(long, value_parser = pattern(), group = "source")]
    pattern: Option<Pattern>,
    /// capture: frames from a y4m file, a PNG picture, or raw frames from a file or FIFO.
    #[arg(long, value_name = "FILE", group = "source")]
    file: Option<String>,
    /// capture: what this output node shows (a loopback without a copy).
    #[arg(long, value_name = "NODE", group = "source")]
    follow: Option<String>,
    /// With --file: start again at its end.
    #[arg(long, requires = "file")]
    repeat: bool,
    /// With --file: burn the frame's number and time into it.
    #[arg(long, requires = "file")]
    stamp: bool,
    /// output: write the frames to a y4m or raw file, or a FIFO.
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    sink: Option<String>,
    /// What is in the file, where its name does not tell.
    #[arg(long, value_enum)]
    format: Option<FormatName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Capture,
    Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Y4m,
    Png,
    Raw,
}

/// The library knows the names.
fn pattern() -> impl TypedValueParser<Value = Pattern> {
    let find = |name: String| Pattern::ALL.into_iter().find(|one| one.name() == name);
    PossibleValuesParser::new(Pattern::ALL.map(Pattern::name))
        .try_map(move |name| find(name).ok_or("no such pattern"))
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let node = arguments.socket.connect()?.add(device(arguments))?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&node).map_err(anyhow::Error::from)? + "\n"
    } else {
        format!("/dev/{} is /dev/video{}\n", node.name, node.number)
    };
    print(&text)?;
    Ok(0)
}

fn device(arguments: &Arguments) -> RawDevice {
    let format = arguments.format.map(|format| match format {
        FormatName::Y4m => FileFormat::Y4m,
        FormatName::Png => FileFormat::Png,
        FormatName::Raw => FileFormat::Raw,
    });
    let (file, output) = (arguments.file.clone(), arguments.follow.clone());
    let named = arguments.pattern.is_some() || file.is_some() || output.is_some();
    let of_file = file.is_some();
    let source = named.then(|| RawSource {
        pattern: arguments.pattern,
        file,
        format: format.filter(|_| of_file),
        repeat: of_file.then_some(arguments.repeat),
        stamp: of_file.then_some(arguments.stamp),
        output,
    });
    RawDevice {
        name: arguments.name.clone(),
        role: match arguments.role {
            RoleName::Capture => Role::Capture,
            RoleName::Output => Role::Output,
        },
        number: arguments.number,
        card: arguments.card.clone(),
        modes: (!arguments.modes.is_empty()).then(|| arguments.modes.clone()),
        multiplanar: arguments.multiplanar,
        source,
        sink: arguments.sink.clone().map(|file| RawSink { file, format }),
        limits: RawLimits::default(),
    }
}
