//! The structs and numbers of `v4l2::uapi` are those of the newest `<linux/videodev2.h>`.
//!
//! A C program prints every size, offset and number that the header has; the same is said in Rust,
//! and the two lists must be one. The header is that of Debian sid's `linux-libc-dev`, unpacked
//! where `tools/debian-suite` puts it.

use std::mem::offset_of;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use shrbuf::v4l2::uapi::*;

/// The header's folder, or the reason why it isn't there.
fn headers() -> Result<PathBuf, String> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let folder = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = folder.join("shrbuf/suites/sid/linux-libc-dev/usr/include");
    if !folder.join("linux/videodev2.h").is_file() {
        return Err(format!("no <linux/videodev2.h> in {}", folder.display()));
    }
    Ok(folder)
}

/// A line of C and what it must print.
#[derive(Default)]
struct Lists {
    c: String,
    rust: Vec<String>,
}

impl Lists {
    fn add(&mut self, name: &str, c: &str, value: u64) {
        let line = format!("\tprintf(\"%s %llu\\n\", \"{name}\", (unsigned long long)({c}));\n");
        self.c.push_str(&line);
        self.rust.push(format!("{name} {value}"));
    }
}

macro_rules! structs {
    ($lists:ident: $($name:ident { $($field:ident),* })*) => {$(
        let c = format!("struct {}", stringify!($name));
        $lists.add(stringify!($name), &format!("sizeof({c})"), size_of::<$name>() as u64);
        $(
            let field = stringify!($field).trim_end_matches('_');
            let name = format!("{}.{field}", stringify!($name));
            $lists.add(&name, &format!("offsetof({c}, {field})"), offset_of!($name, $field) as u64);
        )*
    )*};
}

macro_rules! numbers {
    ($lists:ident: $($name:ident)*) => {$(
        $lists.add(stringify!($name), concat!("(uint32_t)", stringify!($name)), $name as u64);
    )*};
}

fn lists() -> Lists {
    let mut lists = Lists::default();
    structs! { lists:
        v4l2_capability { driver, card, bus_info, version, capabilities, device_caps, reserved }
        v4l2_input { index, name, type_, audioset, tuner, std, status, capabilities, reserved }
        v4l2_output { index, name, type_, audioset, modulator, std, capabilities, reserved }
        v4l2_fmtdesc { index, type_, flags, description, pixelformat, mbus_code, reserved }
        v4l2_pix_format {
            width, height, pixelformat, field, bytesperline, sizeimage, colorspace, priv_, flags,
            ycbcr_enc, quantization, xfer_func
        }
        v4l2_plane_pix_format { sizeimage, bytesperline, reserved }
        v4l2_pix_format_mplane {
            width, height, pixelformat, field, colorspace, plane_fmt, num_planes, flags, ycbcr_enc,
            quantization, xfer_func, reserved
        }
        v4l2_format { type_, fmt }
        v4l2_fract { numerator, denominator }
        v4l2_frmsize_discrete { width, height }
        v4l2_frmsizeenum { index, pixel_format, type_, discrete, reserved }
        v4l2_frmivalenum { index, pixel_format, width, height, type_, discrete, reserved }
        v4l2_captureparm { capability, capturemode, timeperframe, extendedmode, readbuffers, reserved }
        v4l2_outputparm { capability, outputmode, timeperframe, extendedmode, writebuffers, reserved }
        v4l2_streamparm { type_, parm }
        v4l2_requestbuffers { count, type_, memory, capabilities, flags, reserved }
        v4l2_create_buffers {
            index, count, memory, format, capabilities, flags, max_num_buffers, reserved
        }
        v4l2_remove_buffers { index, count, type_, reserved }
        timeval { tv_sec, tv_usec }
        v4l2_timecode { type_, flags, frames, seconds, minutes, hours, userbits }
        v4l2_plane { bytesused, length, m, data_offset, reserved }
        v4l2_buffer {
            index, type_, bytesused, flags, field, timestamp, timecode, sequence, memory, m, length,
            reserved2, request_fd
        }
        v4l2_exportbuffer { type_, index, plane, flags, fd, reserved }
        v4l2_control { id, value }
        v4l2_ext_control { id, size, reserved2, value64 }
        v4l2_ext_controls { which, count, error_idx, request_fd, reserved, controls }
        v4l2_queryctrl {
            id, type_, name, minimum, maximum, step, default_value, flags, reserved
        }
        v4l2_query_ext_ctrl {
            id, type_, name, minimum, maximum, step, default_value, flags, elem_size, elems,
            nr_of_dims, dims, reserved
        }
        v4l2_querymenu { id, index, name, reserved }
        v4l2_event_ctrl {
            changes, type_, value64, flags, minimum, maximum, step, default_value
        }
        v4l2_event_frame_sync { frame_sequence }
        v4l2_event_src_change { changes }
        timespec { tv_sec, tv_nsec }
        v4l2_event { type_, u, pending, sequence, timestamp, id, reserved }
        v4l2_event_subscription { type_, id, flags, reserved }
    }
    numbers! { lists:
        VIDIOC_QUERYCAP VIDIOC_ENUM_FMT VIDIOC_G_FMT VIDIOC_S_FMT VIDIOC_REQBUFS VIDIOC_QUERYBUF
        VIDIOC_QBUF VIDIOC_EXPBUF VIDIOC_DQBUF VIDIOC_STREAMON VIDIOC_STREAMOFF VIDIOC_G_PARM
        VIDIOC_S_PARM VIDIOC_ENUMINPUT VIDIOC_G_CTRL VIDIOC_S_CTRL VIDIOC_QUERYCTRL
        VIDIOC_QUERYMENU VIDIOC_G_INPUT VIDIOC_S_INPUT VIDIOC_G_OUTPUT VIDIOC_S_OUTPUT
        VIDIOC_ENUMOUTPUT VIDIOC_TRY_FMT VIDIOC_G_PRIORITY VIDIOC_S_PRIORITY VIDIOC_LOG_STATUS
        VIDIOC_G_EXT_CTRLS VIDIOC_S_EXT_CTRLS VIDIOC_TRY_EXT_CTRLS VIDIOC_ENUM_FRAMESIZES
        VIDIOC_ENUM_FRAMEINTERVALS VIDIOC_DQEVENT VIDIOC_SUBSCRIBE_EVENT VIDIOC_UNSUBSCRIBE_EVENT
        VIDIOC_CREATE_BUFS VIDIOC_PREPARE_BUF VIDIOC_QUERY_EXT_CTRL VIDIOC_REMOVE_BUFS
        VIDEO_MAX_PLANES V4L2_CAP_VIDEO_CAPTURE V4L2_CAP_VIDEO_OUTPUT
        V4L2_CAP_VIDEO_CAPTURE_MPLANE V4L2_CAP_VIDEO_OUTPUT_MPLANE V4L2_CAP_EXT_PIX_FORMAT
        V4L2_CAP_READWRITE V4L2_CAP_STREAMING V4L2_CAP_DEVICE_CAPS V4L2_BUF_TYPE_VIDEO_CAPTURE
        V4L2_BUF_TYPE_VIDEO_OUTPUT V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
        V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE V4L2_FIELD_ANY V4L2_FIELD_NONE V4L2_FIELD_ALTERNATE
        V4L2_MEMORY_MMAP V4L2_MEMORY_USERPTR V4L2_MEMORY_DMABUF V4L2_MEMORY_FLAG_NON_COHERENT
        V4L2_COLORSPACE_DEFAULT V4L2_COLORSPACE_SMPTE170M V4L2_COLORSPACE_REC709
        V4L2_COLORSPACE_SRGB V4L2_COLORSPACE_DCI_P3 V4L2_XFER_FUNC_DEFAULT
        V4L2_XFER_FUNC_SMPTE2084 V4L2_YCBCR_ENC_DEFAULT V4L2_YCBCR_ENC_601 V4L2_YCBCR_ENC_709
        V4L2_YCBCR_ENC_SMPTE240M V4L2_QUANTIZATION_DEFAULT V4L2_QUANTIZATION_FULL_RANGE
        V4L2_QUANTIZATION_LIM_RANGE V4L2_PIX_FMT_PRIV_MAGIC V4L2_FMT_FLAG_COMPRESSED
        V4L2_BUF_CAP_SUPPORTS_MMAP V4L2_BUF_CAP_SUPPORTS_USERPTR V4L2_BUF_CAP_SUPPORTS_DMABUF
        V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS
        V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS V4L2_BUF_FLAG_MAPPED V4L2_BUF_FLAG_QUEUED
        V4L2_BUF_FLAG_DONE V4L2_BUF_FLAG_KEYFRAME V4L2_BUF_FLAG_PFRAME V4L2_BUF_FLAG_BFRAME
        V4L2_BUF_FLAG_ERROR V4L2_BUF_FLAG_IN_REQUEST V4L2_BUF_FLAG_TIMECODE V4L2_BUF_FLAG_PREPARED
        V4L2_BUF_FLAG_NO_CACHE_INVALIDATE V4L2_BUF_FLAG_NO_CACHE_CLEAN
        V4L2_BUF_FLAG_TIMESTAMP_MASK V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
        V4L2_BUF_FLAG_TIMESTAMP_COPY V4L2_BUF_FLAG_TSTAMP_SRC_MASK V4L2_BUF_FLAG_TSTAMP_SRC_SOE
        V4L2_BUF_FLAG_LAST V4L2_BUF_FLAG_REQUEST_FD V4L2_FRMSIZE_TYPE_DISCRETE
        V4L2_FRMIVAL_TYPE_DISCRETE V4L2_CAP_TIMEPERFRAME V4L2_INPUT_TYPE_CAMERA
        V4L2_OUTPUT_TYPE_ANALOG V4L2_IN_ST_NO_SIGNAL V4L2_PRIORITY_UNSET V4L2_PRIORITY_BACKGROUND
        V4L2_PRIORITY_INTERACTIVE V4L2_PRIORITY_RECORD V4L2_CTRL_MAX_DIMS V4L2_CID_MAX_CTRLS
        V4L2_CTRL_ID_MASK V4L2_CTRL_WHICH_CUR_VAL V4L2_CTRL_WHICH_DEF_VAL
        V4L2_CTRL_WHICH_REQUEST_VAL V4L2_CTRL_WHICH_MIN_VAL V4L2_CTRL_WHICH_MAX_VAL
        V4L2_CTRL_TYPE_INTEGER V4L2_CTRL_TYPE_BOOLEAN V4L2_CTRL_TYPE_MENU
        V4L2_CTRL_TYPE_CTRL_CLASS V4L2_CTRL_FLAG_READ_ONLY V4L2_CTRL_FLAG_SLIDER
        V4L2_CTRL_FLAG_WRITE_ONLY V4L2_CTRL_FLAG_NEXT_CTRL V4L2_CTRL_FLAG_NEXT_COMPOUND
        V4L2_CID_PRIVATE_BASE V4L2_CTRL_CLASS_USER V4L2_CTRL_CLASS_IMAGE_PROC V4L2_CID_USER_CLASS
        V4L2_CID_BASE V4L2_CID_BRIGHTNESS V4L2_CID_CONTRAST V4L2_CID_SATURATION V4L2_CID_HUE
        V4L2_CID_HFLIP V4L2_CID_VFLIP V4L2_CID_IMAGE_PROC_CLASS V4L2_CID_TEST_PATTERN
        V4L2_EVENT_ALL V4L2_EVENT_EOS V4L2_EVENT_CTRL V4L2_EVENT_FRAME_SYNC
        V4L2_EVENT_SOURCE_CHANGE V4L2_EVENT_CTRL_CH_VALUE V4L2_EVENT_CTRL_CH_FLAGS
        V4L2_EVENT_CTRL_CH_RANGE V4L2_EVENT_SRC_CH_RESOLUTION V4L2_EVENT_SUB_FL_SEND_INITIAL
        V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK V4L2_PIX_FMT_YUYV V4L2_PIX_FMT_UYVY V4L2_PIX_FMT_NV12
        V4L2_PIX_FMT_NV21 V4L2_PIX_FMT_YUV420 V4L2_PIX_FMT_YVU420 V4L2_PIX_FMT_RGB24
        V4L2_PIX_FMT_BGR24 V4L2_PIX_FMT_XBGR32 V4L2_PIX_FMT_XRGB32 V4L2_PIX_FMT_RGBX32
        V4L2_PIX_FMT_BGRX32 V4L2_PIX_FMT_GREY V4L2_PIX_FMT_NV12M V4L2_PIX_FMT_YUV420M
    }
    lists
}

#[test]
fn structs_and_numbers_are_the_kernels() {
    let folder = match headers() {
        Ok(folder) => folder,
        Err(reason) => return println!("SKIP uapi_layout: {reason}"),
    };
    let Lists { c, rust } = lists();
    let room = tempfile::tempdir().expect("a folder");
    let (source, program) = (room.path().join("layout.c"), room.path().join("layout"));
    let head = "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <time.h>\n\
                #include <sys/time.h>\n#include <linux/videodev2.h>\n";
    fs::write(&source, format!("{head}int main(void)\n{{\n{c}\treturn 0;\n}}\n")).expect("written");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled = Command::new(compiler)
        .arg("-isystem")
        .args([&folder, &source])
        .arg("-o")
        .arg(&program)
        .output()
        .expect("a C compiler");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let printed = Command::new(&program).output().expect("the program runs").stdout;
    let printed = String::from_utf8(printed).expect("text");
    let differences: Vec<_> = printed.lines().zip(&rust).filter(|(c, rust)| c != rust).collect();
    assert!(differences.is_empty(), "C and Rust: {differences:#?}");
    assert_eq!(printed.lines().count(), rust.len());
}
