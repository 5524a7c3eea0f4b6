//! Every format there and back.

use std::sync::Mutex;

use super::*;
use crate::shrbuf::PlaneMemory;

fn memory(planes: &[Vec<u8>]) -> Vec<Mutex<Vec<u8>>> {
    planes.iter().cloned().map(Mutex::new).collect()
}

fn views(memory: &[Mutex<Vec<u8>>]) -> Vec<&dyn PlaneMemory> {
    memory.iter().map(|plane| plane as &dyn PlaneMemory).collect()
}

/// Four squares of 8x8: red, green, blue, white.
fn squares() -> Picture {
    let mut picture = Picture::filled(16, 16, Model::RGB, [255; 3]);
    picture.fill(0, 0, 8, 8, [255, 0, 0]);
    picture.fill(8, 0, 8, 8, [0, 255, 0]);
    picture.fill(0, 8, 8, 8, [0, 0, 255]);
    picture
}

fn is_grey(layout: &Layout) -> bool {
    letters(layout.fourcc) == "GREY"
}

#[test]
fn every_format_gives_the_picture_back() {
    for (fourcc, padding) in FORMATS.into_iter().flat_map(|fourcc| [(fourcc, 0), (fourcc, 8)]) {
        let layout = laid_out(fourcc, 16, 16, padding);
        let planes = encode(squares(), &layout, &Adjust::default()).unwrap();
        let memory = memory(&planes);
        let back =
            decode(&layout, &views(&memory)).unwrap().into_model(Model::RGB, &Adjust::default());
        for (x, y) in [(0, 0), (7, 7), (8, 0), (15, 7), (0, 8), (7, 15), (15, 15)] {
            let (was, is) = (squares().at(x, y).unwrap(), back.at(x, y).unwrap());
            let off = was.iter().zip(is).map(|(was, is)| was.abs_diff(is)).max().unwrap();
            let name = letters(fourcc);
            assert!(off <= 3 || is_grey(&layout), "{name} {padding} {x},{y}: {was:?} {is:?}");
        }
    }
}

/// The bytes of a red and then a white pixel, by the kernel's documentation of each format.
#[test]
fn the_bytes_lie_where_the_kernel_says() {
    let mut picture = Picture::filled(4, 2, Model::RGB, [255; 3]);
    picture.fill(0, 0, 2, 2, [255, 0, 0]);
    let first = |name: &str| -> Vec<Vec<u8>> {
        let fourcc = FORMATS.into_iter().find(|fourcc| letters(*fourcc) == name).unwrap();
        encode(picture.clone(), &laid_out(fourcc, 4, 2, 0), &Adjust::default()).unwrap()
    };
    let (y, cb, cr) = (81, 90, 240);
    let luma = [y, y, 235, 235, y, y, 235, 235];
    let with = |chroma: &[u8]| [&luma[..], chroma].concat();
    for (name, expected) in [
        ("YUYV", vec![[y, cb, y, cr, 235, 128, 235, 128].repeat(2)]),
        ("UYVY", vec![[cb, y, cr, y, 128, 235, 128, 235].repeat(2)]),
        ("NV12", vec![with(&[cb, cr, 128, 128])]),
        ("NV21", vec![with(&[cr, cb, 128, 128])]),
        ("YU12", vec![with(&[cb, 128, cr, 128])]),
        ("YV12", vec![with(&[cr, 128, cb, 128])]),
        ("NM12", vec![luma.to_vec(), vec![cb, cr, 128, 128]]),
        ("YM12", vec![luma.to_vec(), vec![cb, 128], vec![cr, 128]]),
        ("GREY", vec![luma.to_vec()]),
        ("RGB3", vec![[255, 0, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255].repeat(2)]),
        ("BGR3", vec![[0, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255, 255].repeat(2)]),
        (
            "XR24",
            vec![
                [[0, 0, 255, 0], [0, 0, 255, 0], [255, 255, 255, 0], [255, 255, 255, 0]]
                    .concat()
                    .repeat(2),
            ],
        ),
        ("BX24", vec![[[0, 255, 0, 0].repeat(2), [0, 255, 255, 255].repeat(2)].concat().repeat(2)]),
        ("XB24", vec![[[255, 0, 0, 0].repeat(2), [255, 255, 255, 0].repeat(2)].concat().repeat(2)]),
        ("RX24", vec![[[0, 0, 0, 255].repeat(2), [0, 255, 255, 255].repeat(2)].concat().repeat(2)]),
    ] {
        assert_eq!(first(name), expected, "{name}");
    }
}

#[test]
fn chroma_is_the_mean_of_its_pixels_also_at_an_odd_edge() {
    let model = Model::YCbCr(Matrix::Bt601, Range::Limited);
    let cb = vec![10, 20, 30, 50, 60, 70, 90, 100, 110];
    let channels = [vec![16; 9], cb, vec![128; 9]];
    let picture = Picture::from_channels(3, 3, model, channels).unwrap();
    let mut layout = laid_out(FORMATS[4], 4, 4, 0);
    (layout.width, layout.height) = (3, 3);
    let planes = encode(picture, &layout, &Adjust::default()).unwrap();
    assert_eq!(planes[0][12..16], [35, 50, 95, 110], "YU12's Cb plane follows three lines of four");
}

#[test]
fn controls_and_flips_act_in_every_format() {
    for fourcc in FORMATS {
        let layout = laid_out(fourcc, 16, 16, 0);
        let adjust =
            Adjust { hflip: true, vflip: true, contrast: 64, saturation: 64, ..Adjust::default() };
        let planes = encode(squares(), &layout, &adjust).unwrap();
        let memory = memory(&planes);
        let luma = |x, y| luma_at(&layout, &views(&memory), x, y).unwrap();
        assert!(luma(0, 0).abs_diff(127) <= 2, "white, half as bright: {}", luma(0, 0));
        assert!(luma(15, 15).abs_diff(38) <= 2, "red, half as bright: {}", luma(15, 15));
    }
}

#[test]
fn a_canvas_gets_its_base_back() {
    for fourcc in FORMATS {
        let layout = laid_out(fourcc, 16, 16, 4);
        let base = encode(squares(), &layout, &Adjust::default()).unwrap();
        let mut canvas = Canvas::new(squares(), &layout, &Adjust::default()).unwrap();
        let patch = Picture::filled(6, 4, Model::RGB, [0; 3]);
        let patch = Patch::new(patch, &layout).unwrap();
        for (x, y) in [(4, 4), (6, 6), (12, 14), (16, 0), (0, 100)] {
            canvas.put(&patch, x, y);
        }
        let memory = memory(&base);
        canvas.write(&views(&memory)).unwrap();
        let luma = |x, y| luma_at(&layout, &views(&memory), x, y).unwrap();
        let name = letters(fourcc);
        let corners = [luma(4, 4), luma(9, 7), luma(11, 9), luma(15, 15)];
        assert_eq!(corners, [0; 4], "{name}: the patches are there");
        assert!(luma(3, 4) > 50 && luma(12, 13) > 250, "{name}: and nothing else is black");
        canvas.clear();
        canvas.write(&views(&memory)).unwrap();
        let again: Vec<_> = memory.iter().map(|plane| plane.lock().unwrap().clone()).collect();
        assert_eq!(again, base, "{name}");
    }
}

#[test]
fn short_memory_is_refused() {
    let layout = laid_out(FORMATS[6], 16, 16, 0);
    let planes = encode(squares(), &layout, &Adjust::default()).unwrap();
    let short = memory(&[planes[0].clone(), planes[1][1..].to_vec()]);
    assert!(decode(&layout, &views(&short)).is_err());
    assert!(decode(&layout, &views(&short[..1])).is_err());
    assert!(luma_at(&layout, &views(&short), 15, 15).is_err());
    assert!(luma_at(&layout, &views(&short), 16, 0).is_err());
}
