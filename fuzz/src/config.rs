//! The configuration's text, with files that are a double: a name in it opens nothing here.

use std::fs::File;

use shrbuf::daemon::config::check::{Fault, Key};
use shrbuf::daemon::config::files::{Files, Use};
use shrbuf::daemon::config::{Config, check};
use shrbuf::daemon::spec::{Flow, Mode, Role};
use shrbuf::v4l2::formats;

use super::seeds::Seeds;

/// Every file is there, but those whose name begins with `no`.
pub struct Double;

impl Files for Double {
    fn open(&mut self, key: &Key, name: &str, for_use: Use) -> Result<File, Fault> {
        let null = File::options().read(true).write(for_use == Use::Sink).open("/dev/null");
        match null {
            Ok(file) if !name.starts_with("no") => Ok(file),
            _ => Err(key.fault("it is not there", "take another file")),
        }
    }
}

/// What comes through is what a daemon can start; what doesn't is told with a place.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let in_use = |number| (number == 7).then(|| "somebody".to_owned());
    match Config::parse_with(text, "a file", &mut Double, &in_use) {
        Ok(config) => fits(&config),
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!(error.line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{error:?}");
            assert!(!error.what.is_empty() && !error.remedy.is_empty(), "{error:?}");
            assert!(error.to_string().lines().count() >= 2, "what, and the remedy: {error}");
        }
    }
}

fn fits(config: &Config) {
    for (place, device) in config.devices.iter().enumerate() {
        check::check_name(&device.name, &Key::default()).expect("a name");
        assert!((1..=31).contains(&device.card.len()), "{:?}", device.card);
        let others = config.devices.iter().filter(|other| other.name == device.name);
        assert_eq!(others.count(), 1, "{} twice", device.name);
        assert!(!device.modes.is_empty() && device.modes.len() <= 256);
        assert!(device.number != Some(7), "somebody has it");
        for mode in &device.modes {
            assert_eq!(mode.to_string().parse::<Mode>().as_ref(), Ok(mode));
            let layout = formats::Layout::new(mode.fourcc.packed(), mode.width, mode.height);
            let layout = layout.unwrap_or_else(|| panic!("{mode} has no layout"));
            assert!(device.multiplanar || layout.planes.len() == 1, "{mode}");
        }
        if let Some(output) = device.follows() {
            // An output comes before those that follow it.
            let before = config.devices.iter().take(place);
            let found = before.filter(|other| other.name == output && other.role() == Role::Output);
            assert_eq!(found.count(), 1, "{output}");
        }
        assert!(device.limits.opens > 0);
        assert_eq!(matches!(device.flow, Flow::Capture(_)), device.role() == Role::Capture);
    }
}

/// A configuration with everything, and one for each way to be wrong.
pub fn seeds() -> Seeds {
    let whole = r#"
[[device]]
name = "display-sim"
role = "output"
number = 256
card = "A display"
modes = ["YUYV:640x480@30/1", "NV12:320x240@30000/1001", "GREY:8x8@5"]
sink = { file = "out.y4m", format = "y4m" }
limits = { opens = 4, bytes = 1000000 }

[[device]]
name = "loop"
role = "capture"
source = { output = "display-sim" }

[[device]]
name = "clip"
role = "capture"
multiplanar = true
modes = ["NM12:64x64@30/1"]
source = { file = "clip.y4m", repeat = true, stamp = true }

[limits]
bytes_per_uid = 1000000000

[memory]
exports = "memfd"
mapping = "copies"
"#;
    let texts = [
        whole,
        "",
        "[[device]]\nname = \"a\"\nrole = \"capture\"\n",
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { pattern = \"smpte\" }\n",
        "[[device]]\nname = \"A\"\nrole = \"capture\"\n",
        "[[device]]\nname = \"a\"\nrole = \"output\"\nnumber = 7\n",
        "[[device]]\nname = \"a\"\nrole = \"output\"\nmodes = [\"YUYV:15x15@0/1\"]\n",
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nsource = { file = \"none.raw\" }\n",
        "[[device]]\nname = \"a\"\nrole = \"capture\"\nmodes = 3\n",
        "device=[{name='a',role='output',modes=['NV12:8x9@5']}]",
        "device=[{name='a',role='output',modes=['YUYV:9x8@5']}]",
        "device=[{name='a',role='output',modes=['NM12:8x8@5']}]",
        "device=[{name='a',role='output',modes=['GREY:16385x8@5']}]",
        "device=[{name='a',role='output',modes=['RGB3:16384x16384@5']}]",
        "device=[{name='a',role='output',card='more than the thirty-one bytes of a card'}]",
        // Short ones: what is changed in them is mostly a mode.
        "device=[{name='a',role='output',modes=['NV12:8x8@5/1']}]",
        "device=[{name='a',role='capture',modes=['YUYV:8x8@5','GREY:9x9@5']}]",
        "device=[{name='a',role='output',multiplanar=true,modes=['NM12:8x8@5']}]",
        "device = [{ name = 'a', role = 'output' }, { name = 'a', role = 'output' }]",
    ];
    let named = texts.iter().enumerate().map(|(place, text)| (place.to_string(), text));
    named.map(|(name, text)| (name, text.as_bytes().to_vec())).collect()
}
