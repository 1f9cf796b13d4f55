//! A curve as a small PNG: mail programs show no SVG. What the axes stand for is said beside it.

use crate::model::alert::Alert;

pub(in crate::notify) const WIDTH: usize = 480;
pub(in crate::notify) const HEIGHT: usize = 120;
const MARGIN: usize = 6;

/// Places in the palette.
const PAPER: u8 = 0;
const FRAME: u8 = 1;
const CURVE: u8 = 2;
const LIMIT: u8 = 3;
const BASELINE: u8 = 4;
const PALETTE: [u8; 15] = [
    0xff, 0xff, 0xff, 0xcc, 0xcc, 0xcc, 0x15, 0x65, 0xc0, 0xc6, 0x28, 0x28, 0x2e, 0x7d, 0x32,
];

/// The curve in blue, with its limit in red and what is usual in green. `None` when there is none to draw.
pub(in crate::notify) fn png(alert: &Alert) -> Option<Vec<u8>> {
    let pixels = draw(alert)?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.as_slice());
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

/// A byte a pixel, row by row from the top.
fn draw(alert: &Alert) -> Option<Vec<u8>> {
    let points: Vec<(u64, f64)> = alert
        .curve
        .iter()
        .copied()
        .filter(|(_, value)| value.is_finite())
        .collect();
    let (first, last) = (points.first()?.0, points.last()?.0);
    if points.len() < 2 || last <= first {
        return None;
    }
    let figure = alert.figure.as_ref();
    let marks = [
        (figure.and_then(|figure| figure.limit), LIMIT),
        (figure.and_then(|figure| figure.baseline), BASELINE),
    ];
    let values = points.iter().map(|(_, value)| *value);
    let marked = marks
        .iter()
        .filter_map(|(mark, _)| *mark)
        .filter(|mark| mark.is_finite());
    let (low, high) = values
        .chain(marked)
        .fold((0.0_f64, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let span = (high - low).max(f64::MIN_POSITIVE);
    let mut pixels = vec![PAPER; WIDTH * HEIGHT];
    let (width, height) = (WIDTH - 1 - 2 * MARGIN, HEIGHT - 1 - 2 * MARGIN);
    let column = |time: u64| {
        let part = time.clamp(first, last).saturating_sub(first) as f64 / (last - first) as f64;
        MARGIN + (part * width as f64) as usize
    };
    let row = |value: f64| {
        let part = ((value - low) / span).clamp(0.0, 1.0);
        MARGIN + ((1.0 - part) * height as f64) as usize
    };
    for (x, y) in frame() {
        pixels[y * WIDTH + x] = FRAME;
    }
    for (mark, colour) in marks {
        let Some(y) = mark.filter(|mark| mark.is_finite()).map(row) else {
            continue;
        };
        for x in (MARGIN..WIDTH - MARGIN).filter(|x| x % 6 < 4) {
            pixels[y * WIDTH + x] = colour;
        }
    }
    for pair in points.windows(2) {
        let [from, to] = pair else { continue };
        let ends = ((column(from.0), row(from.1)), (column(to.0), row(to.1)));
        for (x, y) in stroke(ends.0, ends.1) {
            pixels[y * WIDTH + x] = CURVE;
            pixels[(y + 1) * WIDTH + x] = CURVE;
        }
    }
    Some(pixels)
}

fn frame() -> impl Iterator<Item = (usize, usize)> {
    let across = (0..WIDTH).flat_map(|x| [(x, 0), (x, HEIGHT - 1)]);
    across.chain((0..HEIGHT).flat_map(|y| [(0, y), (WIDTH - 1, y)]))
}

/// The pixels of a straight line, both ends included.
fn stroke(from: (usize, usize), to: (usize, usize)) -> impl Iterator<Item = (usize, usize)> {
    let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
    let along = move |from: usize, to: usize, step: usize| {
        let part = step as f64 / steps as f64;
        (from as f64 + (to as f64 - from as f64) * part).round() as usize
    };
    (0..=steps).map(move |step| (along(from.0, to.0, step), along(from.1, to.1, step)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::made_up;

    fn rows_of(pixels: &[u8], x: usize, colour: u8) -> Vec<usize> {
        (0..HEIGHT)
            .filter(|y| pixels[y * WIDTH + x] == colour)
            .collect()
    }

    #[test]
    fn the_curve_rises_where_the_values_do() {
        let alert = made_up::alert(1_000_000_000_000);
        let pixels = draw(&alert).unwrap();
        let (early, late) = (
            rows_of(&pixels, 60, CURVE),
            rows_of(&pixels, WIDTH - 20, CURVE),
        );
        assert!(early[0] > 90 && late[0] <= MARGIN + 1, "{early:?} {late:?}");
        // The limit of 80 is under the top of 97.
        assert_eq!(rows_of(&pixels, 60, LIMIT), [MARGIN + 18]);
    }

    #[test]
    fn the_image_reads_back() {
        let file = png(&made_up::alert(1_000_000_000_000)).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file))
            .read_info()
            .unwrap();
        assert_eq!(
            (reader.info().width, reader.info().height),
            (WIDTH as u32, HEIGHT as u32)
        );
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(file.len() < 4000, "{} bytes", file.len());
    }

    #[test]
    fn degenerate_curves_are_drawn_or_left_out() {
        let with = |curve: Vec<(u64, f64)>| {
            let mut alert = made_up::alert(0);
            alert.curve = curve;
            draw(&alert)
        };
        assert!(with(vec![]).is_none());
        assert!(with(vec![(1, 1.0)]).is_none());
        assert!(with(vec![(1, 1.0), (1, 2.0)]).is_none());
        assert!(with(vec![(1, f64::NAN), (2, f64::INFINITY)]).is_none());
        assert!(with(vec![(1, 0.0), (2, 0.0)]).is_some());
        assert!(with(vec![(2, 1.0), (1, 5.0), (3, -1e308), (4, 1e308)]).is_some());
        assert!(with(vec![(0, 1.0), (u64::MAX, 5.0)]).is_some());
    }
}
