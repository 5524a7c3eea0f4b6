//! Looks at a picture that the demo has taken of the display: is the mark there, and, where the
//! original is named, is all around it the original?
//!
//! ```text
//! picture PICTURE.png LEFT TOP SIDE [ORIGINAL.png]
//! ```
//!
//! Exit status: 1 where it is not so.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

/// The mark is drawn as luma 235, full white; of 255, what rounding may take off.
const WHITE: u8 = 250;

/// Mean difference of a sample, of 255: a picture keeps half of its colour samples on the way
/// through YUYV, and 220 of 256 steps. The nuthatch has 2; another picture, or one with its colours
/// swapped, has more than 20.
const MOST_DIFFERENCE: f64 = 6.0;

struct Rgb {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match look(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("picture: {why}");
            ExitCode::FAILURE
        }
    }
}

fn look(words: &[String]) -> Result<(), Box<dyn Error>> {
    let [name, left, top, side, rest @ ..] = words else {
        return Err("usage: picture PICTURE.png LEFT TOP SIDE [ORIGINAL.png]".into());
    };
    let (left, top, side): (usize, usize, usize) = (left.parse()?, top.parse()?, side.parse()?);
    let picture = read(name)?;
    let in_mark = |place: usize| {
        let (x, y) = (place % picture.width, place / picture.width);
        (left..left + side).contains(&x) && (top..top + side).contains(&y)
    };
    let is_white = |pixel: &[u8; 3]| pixel.iter().all(|sample| *sample >= WHITE);
    let whites = |of: &Rgb| {
        of.pixels
            .iter()
            .enumerate()
            .filter(|(place, pixel)| in_mark(*place) && is_white(pixel))
            .count()
    };
    let found = whites(&picture);
    if found != side * side {
        return Err(
            format!("{name}: {found} of the mark's {} pixels are white", side * side).into()
        );
    }
    let [original] = rest else { return Ok(()) };
    let original = read(original)?;
    if (original.width, original.height) != (picture.width, picture.height) {
        return Err(format!("{name} has another size than the original").into());
    }
    if whites(&original) > 0 {
        return Err("the original is white where the mark is to be: it would prove nothing".into());
    }
    let (mut sum, mut count) = (0_u64, 0_u64);
    for (place, (shown, meant)) in picture.pixels.iter().zip(&original.pixels).enumerate() {
        if !in_mark(place) {
            sum += shown.iter().zip(meant).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            count += 3;
        }
    }
    let difference = sum as f64 / count as f64;
    if difference > MOST_DIFFERENCE {
        return Err(format!(
            "{name} is not the original: samples differ by {difference:.1} of 255"
        )
        .into());
    }
    println!(
        "  around the mark, samples differ from the original's by {difference:.1} of 255 on average"
    );
    Ok(())
}

fn read(name: &str) -> Result<Rgb, Box<dyn Error>> {
    let open = || -> Result<Rgb, Box<dyn Error>> {
        let mut reader = png::Decoder::new(BufReader::new(File::open(name)?)).read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or("its size overflows")?];
        let frame = reader.next_frame(&mut bytes)?;
        if (frame.color_type, frame.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
            return Err("is not red, green and blue of 8 bits".into());
        }
        let pixels = bytes.chunks_exact(3).filter_map(|pixel| pixel.try_into().ok()).collect();
        Ok(Rgb { width: frame.width as usize, height: frame.height as usize, pixels })
    };
    open().map_err(|why| format!("{name}: {why}").into())
}
