use super::*;

const CAMERA: Node = Node { direction: Direction::Capture, mplane: false };
const DISPLAY: Node = Node { direction: Direction::Output, mplane: false };

fn fract(numerator: u32, denominator: u32) -> v4l2_fract {
    v4l2_fract { numerator, denominator }
}

fn mode(fourcc: u32, width: u32, height: u32, rates: &[u32]) -> Mode {
    let intervals = rates.iter().map(|rate| fract(1, *rate)).collect();
    Mode { fourcc, width, height, intervals }
}

fn list() -> ModeList {
    let modes = vec![
        mode(V4L2_PIX_FMT_YUYV, 1280, 720, &[30]),
        mode(V4L2_PIX_FMT_YUYV, 640, 480, &[30, 5]),
        mode(V4L2_PIX_FMT_NV12, 1920, 1080, &[60]),
        mode(V4L2_PIX_FMT_YUYV, 640, 480, &[25, 5]),
    ];
    ModeList::new(CAMERA, Sizes::Discrete, modes).unwrap()
}

fn wish(fourcc: u32, width: u32, height: u32) -> v4l2_format {
    let mut format = v4l2_format::default();
    let pix = v4l2_pix_format { pixelformat: fourcc, width, height, ..Default::default() };
    format.set_pix(&pix);
    format
}

fn tried(list: &ModeList, fourcc: u32, width: u32, height: u32) -> (u32, u32, u32) {
    let mut format = wish(fourcc, width, height);
    let layout = list.try_fmt(&mut format);
    let pix = format.pix();
    assert_eq!(
        (layout.fourcc, layout.width, layout.height),
        (pix.pixelformat, pix.width, pix.height)
    );
    assert_eq!(u64::from(pix.sizeimage), layout.sizeimage());
    (pix.pixelformat, pix.width, pix.height)
}

#[test]
fn formats_sizes_and_intervals_are_listed_once_each() {
    let list = list();
    let mut fmt = v4l2_fmtdesc::default();
    let mut names = Vec::new();
    while list.enum_fmt(&mut fmt).is_ok() {
        names.push(fmt.pixelformat);
        fmt.index += 1;
    }
    assert_eq!(names, [V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_NV12]);
    let pixel_format = V4L2_PIX_FMT_YUYV;
    let mut size = v4l2_frmsizeenum { index: 1, pixel_format, ..Default::default() };
    assert_eq!(list.enum_framesizes(&mut size), Ok(()));
    assert_eq!((size.type_, size.discrete.width), (V4L2_FRMSIZE_TYPE_DISCRETE, 640));
    size.index = 2;
    assert_eq!(list.enum_framesizes(&mut size), Err(Errno::EINVAL));
    let ask = v4l2_frmivalenum { pixel_format, width: 640, height: 480, ..Default::default() };
    let rates = (0..9).map_while(|index| {
        let mut ask = v4l2_frmivalenum { index, ..ask };
        list.enum_frameintervals(&mut ask).ok().map(|()| ask.discrete.denominator)
    });
    assert_eq!(rates.collect::<Vec<_>>(), [30, 5, 25]);
    let mut ask = v4l2_frmivalenum { height: 481, ..ask };
    assert_eq!(list.enum_frameintervals(&mut ask), Err(Errno::EINVAL));
    size = v4l2_frmsizeenum { index: u32::MAX, pixel_format, ..Default::default() };
    assert_eq!(list.enum_framesizes(&mut size), Err(Errno::EINVAL));
}

#[test]
fn try_fmt_takes_the_nearest_that_there_is() {
    let list = list();
    let (yuyv, nv12) = (V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_NV12);
    assert_eq!(tried(&list, yuyv, 640, 480), (yuyv, 640, 480));
    assert_eq!(tried(&list, yuyv, 700, 500), (yuyv, 640, 480));
    assert_eq!(tried(&list, yuyv, 0, 0), (yuyv, 640, 480));
    assert_eq!(tried(&list, yuyv, u32::MAX, u32::MAX), (yuyv, 1280, 720));
    assert_eq!(tried(&list, nv12, 1, 1), (nv12, 1920, 1080));
    assert_eq!(tried(&list, 0, 1280, 720), (yuyv, 1280, 720));
    let mut ones = v4l2_format { fmt: [0xff; 200], ..Default::default() };
    assert_eq!(list.try_fmt(&mut ones).fourcc, yuyv);
}

#[test]
fn a_display_takes_any_size_and_the_colours_it_is_told() {
    let modes = vec![mode(V4L2_PIX_FMT_NV12, 1280, 720, &[30])];
    let list = ModeList::new(DISPLAY, Sizes::Any, modes).unwrap();
    let nv12 = V4L2_PIX_FMT_NV12;
    assert_eq!(tried(&list, nv12, 333, 221), (nv12, 332, 220));
    assert_eq!(tried(&list, nv12, 0, 0), (nv12, 16, 16));
    assert_eq!(tried(&list, nv12, u32::MAX, u32::MAX), (nv12, 8192, 4320));
    let mut format = wish(nv12, 640, 480);
    let colours = v4l2_pix_format {
        colorspace: V4L2_COLORSPACE_REC709,
        ycbcr_enc: V4L2_YCBCR_ENC_709,
        quantization: 99,
        ..format.pix()
    };
    format.set_pix(&colours);
    let layout = list.try_fmt(&mut format);
    assert_eq!((layout.colorspace, layout.ycbcr_enc, layout.quantization), (3, 2, 0));
    assert_eq!(format.pix().colorspace, V4L2_COLORSPACE_REC709);
    format.set_pix(&v4l2_pix_format { colorspace: 99, ..colours });
    assert_eq!(list.try_fmt(&mut format).colorspace, V4L2_COLORSPACE_SRGB);
}

#[test]
fn a_rate_that_is_not_there_becomes_the_nearest() {
    let list = list();
    let layout = Layout::new(V4L2_PIX_FMT_YUYV, 640, 480).unwrap();
    for (wanted, nearest) in [
        (fract(1, 5), 5),
        (fract(1, 25), 25),
        (fract(1, 1000), 30),
        (fract(u32::MAX, 1), 5),
        (fract(1, u32::MAX), 30),
        (fract(0, 0), 30),
        (fract(0, 1), 30),
        (fract(1, 0), 30),
        (fract(100, 2500), 25),
    ] {
        let got = list.nearest_interval(&layout, wanted);
        assert_eq!(got, fract(1, nearest), "{wanted:?}");
    }
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    let wrong = [
        vec![],
        vec![mode(0, 640, 480, &[30])],
        vec![mode(V4L2_PIX_FMT_YUYV, 641, 480, &[30])],
        vec![mode(V4L2_PIX_FMT_YUYV, 640, 480, &[])],
        vec![mode(V4L2_PIX_FMT_YUYV, 640, 480, &[0])],
        vec![mode(V4L2_PIX_FMT_NV12M, 640, 480, &[30])],
    ];
    for modes in wrong {
        let answer = ModeList::new(CAMERA, Sizes::Discrete, modes.clone());
        assert_eq!(answer, Err(Errno::EINVAL), "{modes:?}");
    }
    let mplane = Node { mplane: true, ..CAMERA };
    let modes = vec![mode(V4L2_PIX_FMT_NV12M, 640, 480, &[30])];
    assert!(ModeList::new(mplane, Sizes::Discrete, modes).is_ok());
}
