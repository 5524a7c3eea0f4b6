//! A device as its [`NodeSpec`] wants it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::clock::Clock;
use super::node::{Device, Frames, Parts};
use super::sink::{FrameSink, NullSink, RawSink, Y4mSink};
use super::source::{FrameSource, ImageSource, PatternSource, RawSource, Y4mSource};
use super::spec::{FileFormat, Flow, Mode, NodeSpec, OpenFile, SinkSpec, SourceSpec};
use super::status::StartError;
use crate::shrbuf::Registry;
use crate::v4l2::modes;
use crate::v4l2::uapi::v4l2_fract;

impl Device {
    /// The device of a node. `spec.number` is `Some`.
    ///
    /// # Errors
    /// [`StartError::Unfit`] for a source or sink that can't be used, and for modes that no device
    /// can have; [`StartError::Io`] where a file can't be duplicated.
    pub fn from_spec(
        spec: &NodeSpec,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let frames = match &spec.flow {
            Flow::Capture(source) => Frames::From(source_of(source)?),
            Flow::Output(sink) => Frames::To(sink_of(sink)?),
        };
        let parts = Parts {
            card: spec.card.clone(),
            number: spec.number.unwrap_or_default(),
            mplane: spec.multiplanar,
            modes: spec.modes.iter().map(mode).collect(),
            opens: spec.limits.opens as usize,
            frames,
            registry,
            clock,
        };
        Self::new(parts).map_err(|_| {
            let modes: Vec<String> = spec.modes.iter().map(Mode::to_string).collect();
            StartError::Unfit(format!(
                "{}: no device can have these modes: {}; take formats that 'shrbuf doctor' lists, \
                 and NM12 or YM12 with multiplanar = true only",
                spec.name,
                modes.join(", ")
            ))
        })
    }
}

fn mode(mode: &Mode) -> modes::Mode {
    let interval = v4l2_fract {
        numerator: mode.interval.numerator.get(),
        denominator: mode.interval.denominator.get(),
    };
    modes::Mode {
        fourcc: mode.fourcc.packed(),
        width: mode.width,
        height: mode.height,
        intervals: vec![interval],
    }
}

fn source_of(spec: &SourceSpec) -> Result<Box<dyn FrameSource>, StartError> {
    let unfit = |error: super::source::SourceError| StartError::Unfit(error.to_string());
    Ok(match spec {
        SourceSpec::Pattern(pattern) => {
            Box::new(PatternSource::new(pattern.name()).map_err(unfit)?)
        }
        SourceSpec::File { file, format, repeat, stamp } => {
            let (open, name) = (duplicate(file)?, Path::new(&file.name));
            match format {
                FileFormat::Png => {
                    Box::new(ImageSource::from_file(open, name, *stamp).map_err(unfit)?)
                }
                FileFormat::Y4m => {
                    Box::new(Y4mSource::from_file(open, name, *repeat, *stamp).map_err(unfit)?)
                }
                FileFormat::Raw => {
                    Box::new(RawSource::from_file(open, name, *repeat).map_err(unfit)?)
                }
            }
        }
        SourceSpec::Output(name) => {
            return Err(StartError::Unfit(format!(
                "a source that follows {name} is not there yet"
            )));
        }
    })
}

fn sink_of(spec: &SinkSpec) -> Result<Box<dyn FrameSink>, StartError> {
    let unfit = |error: super::sink::SinkError| StartError::Unfit(error.to_string());
    Ok(match spec {
        SinkSpec::Null => Box::new(NullSink),
        SinkSpec::File { file, format } => {
            let (open, name) = (duplicate(file)?, Path::new(&file.name));
            match format {
                FileFormat::Y4m => Box::new(Y4mSink::from_file(open, name).map_err(unfit)?),
                FileFormat::Raw => Box::new(RawSink::from_file(open, name).map_err(unfit)?),
                FileFormat::Png => {
                    return Err(StartError::Unfit(format!(
                        "{} can't be a PNG: a sink writes y4m or raw frames; take one picture with \
                         'shrbuf snapshot'",
                        file.name
                    )));
                }
            }
        }
    })
}

fn duplicate(file: &OpenFile) -> Result<File, StartError> {
    file.file.try_clone().map_err(|source| StartError::Io { what: file.name.clone(), source })
}
