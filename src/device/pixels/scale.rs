//! A picture of one size in a frame of another.

use super::Picture;

/// The picture as large as it fits `width` x `height` without distortion, centred on black.
#[must_use]
pub fn letterbox(picture: Picture, width: usize, height: usize) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture;
    }
    let (inner_width, inner_height) = fitted((picture.width, picture.height), (width, height));
    let scaled = resized(picture, inner_width, inner_height);
    if (inner_width, inner_height) == (width, height) {
        return scaled;
    }
    let mut framed = Picture::filled(width, height, scaled.model, scaled.model.black());
    // Even, so that chroma isn't shared by the picture and its frame.
    let left = even((width - inner_width) / 2);
    let top = even((height - inner_height) / 2);
    for (to, from) in framed.channels.iter_mut().zip(&scaled.channels) {
        let rows = to.chunks_exact_mut(width.max(1)).skip(top);
        for (row, line) in rows.zip(from.chunks_exact(inner_width.max(1))) {
            if let Some(part) = row.get_mut(left..left + inner_width) {
                part.copy_from_slice(line);
            }
        }
    }
    framed
}

/// The next even number that isn't larger: where chroma is shared, things lie and end there.
pub(in crate::device) fn even(side: usize) -> usize {
    side & !1
}

/// The largest size of the shape of `inner` that fits into `outer`: at least one pixel, and even
/// where it can be.
fn fitted(inner: (usize, usize), outer: (usize, usize)) -> (usize, usize) {
    let (width, height) = (inner.0.max(1), inner.1.max(1));
    let near = |side: usize, most: usize| {
        let side = side.clamp(1, most.max(1));
        if side == most || side < 2 { side } else { even(side) }
    };
    if outer.0.saturating_mul(height) <= outer.1.saturating_mul(width) {
        (outer.0, near(outer.0.saturating_mul(height) / width, outer.1))
    } else {
        (near(outer.1.saturating_mul(width) / height, outer.0), outer.1)
    }
}

/// The picture in another size: between pixels where it grows, their mean where it shrinks.
fn resized(picture: Picture, width: usize, height: usize) -> Picture {
    let columns = taps(picture.width, width);
    let lines = taps(picture.height, height);
    let from_width = picture.width.max(1);
    let channels = picture.channels.map(|channel| {
        let narrow: Vec<u8> =
            channel.chunks_exact(from_width).flat_map(|line| across(line, &columns)).collect();
        down(&narrow, width, &lines)
    });
    Picture { width, height, model: picture.model, channels }
}

/// What one pixel is made of: neighbours from `first` on, and their shares, which add up to
/// [`WHOLE`].
struct Taps {
    first: usize,
    shares: Vec<u32>,
}

/// Shares are 16384ths: fine enough that no rounding shows in a byte, and 255 of them fit 22 bits.
const WHOLE: u32 = 1 << 14;

/// A triangle as wide as two source pixels, or two target pixels where those are wider.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    #[expect(clippy::cast_precision_loss, reason = "a picture's side has less than 52 bits")]
    let (size, ratio) = (from as f64, from as f64 / to.max(1) as f64);
    let reach = ratio.max(1.0);
    let tap = |place: usize| {
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let centre = ((place as f64 + 0.5) * ratio - 0.5).clamp(0.0, (size - 1.0).max(0.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the picture"
        )]
        let (first, last) = (
            (centre - reach).ceil().max(0.0) as usize,
            (centre + reach).floor().min(size - 1.0).max(0.0) as usize,
        );
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let weights: Vec<f64> = (first..=last)
            .map(|source| (1.0 - (source as f64 - centre).abs() / reach).max(0.0))
            .collect();
        Taps { first, shares: shares(&weights) }
    };
    (0..to).map(tap).collect()
}

/// Weights as shares of [`WHOLE`], exactly: what rounding leaves goes to the heaviest.
fn shares(weights: &[f64]) -> Vec<u32> {
    let sum: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and WHOLE"
    )]
    let mut shares: Vec<u32> =
        weights.iter().map(|weight| (weight / sum * f64::from(WHOLE)) as u32).collect();
    let rest = WHOLE.saturating_sub(shares.iter().sum());
    if let Some(most) = shares.iter_mut().max() {
        *most += rest;
    }
    shares
}

fn mean(sum: u32) -> u8 {
    u8::try_from((sum + WHOLE / 2) / WHOLE).unwrap_or(u8::MAX)
}

fn across<'a>(line: &'a [u8], columns: &'a [Taps]) -> impl Iterator<Item = u8> + 'a {
    columns.iter().map(|taps| {
        let sources = line.get(taps.first..).unwrap_or_default();
        let parts =
            sources.iter().zip(&taps.shares).map(|(value, share)| u32::from(*value) * share);
        mean(parts.sum())
    })
}

fn down(channel: &[u8], width: usize, lines: &[Taps]) -> Vec<u8> {
    let mut sums = vec![0; width];
    let mut scaled = Vec::with_capacity(width.saturating_mul(lines.len()));
    for taps in lines {
        sums.fill(0);
        let sources = channel.chunks_exact(width.max(1)).skip(taps.first);
        for (source, share) in sources.zip(&taps.shares) {
            sums.iter_mut().zip(source).for_each(|(sum, value)| *sum += u32::from(*value) * share);
        }
        scaled.extend(sums.iter().map(|sum| mean(*sum)));
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::*;

    #[test]
    fn shapes_are_kept() {
        for (inner, outer, expected) in [
            ((512, 512), (1280, 720), (720, 720)),
            ((4000, 3000), (640, 360), (480, 360)),
            ((1920, 1080), (640, 480), (640, 360)),
            ((10, 1000), (64, 64), (1, 64)),
            ((1, 1), (1280, 720), (720, 720)),
            ((640, 360), (1280, 720), (1280, 720)),
        ] {
            assert_eq!(fitted(inner, outer), expected, "{inner:?} in {outer:?}");
        }
    }

    #[test]
    fn the_frame_is_black_and_the_picture_keeps_its_colour() {
        for size in [4, 16, 200] {
            let picture = Picture::filled(size, size, Model::RGB, [250, 100, 3]);
            let framed = letterbox(picture, 64, 32);
            assert_eq!(framed.at(15, 16), Some([0; 3]), "from {size}");
            assert_eq!(framed.at(16, 0), Some([250, 100, 3]), "from {size}");
            assert_eq!(framed.at(47, 31), Some([250, 100, 3]), "from {size}");
            assert_eq!(framed.at(48, 31), Some([0; 3]), "from {size}");
        }
    }

    #[test]
    fn shrinking_takes_the_mean_and_growing_what_lies_between() {
        let line = [0, 200, 0, 200].to_vec();
        let of = |line: Vec<u8>, width, height| {
            let count = line.len() / height;
            let channels = [line.clone(), line.clone(), line];
            let picture = Picture::from_channels(count, height, Model::RGB, channels).unwrap();
            let [channel, ..] = resized(picture, width, height).channels;
            channel
        };
        assert!(of(line, 1, 1)[0].abs_diff(100) <= 1);
        assert_eq!(of(vec![0, 100], 4, 1), [0, 25, 75, 100]);
    }

    /// Sizes come from files and configurations.
    #[test]
    fn no_size_is_too_odd() {
        for (from, to) in [((1, 1), (1, 1)), ((3, 7), (1, 1)), ((1, 9), (99, 2)), ((0, 0), (2, 2))]
        {
            let picture = Picture::filled(from.0, from.1, Model::RGB, [1; 3]);
            let framed = letterbox(picture, to.0, to.1);
            assert_eq!((framed.width, framed.height), to, "{from:?} to {to:?}");
        }
    }
}
