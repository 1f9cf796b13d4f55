//! Curves as drawings.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::Clock;
use crate::{
    model::{
        shown::{measured, percent},
        units::Unit,
    },
    report::{Curve, Report},
};

/// Of a drawing, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;
/// Room for the figures at its side, and for the times below.
const LEFT: f64 = 62.0;
const BELOW: f64 = 22.0;
const ABOVE: f64 = 8.0;
const TIMES: u64 = 4;

/// A curve of the host, with axes. Where nothing was recorded it is hatched.
pub(super) fn curve(curve: &Curve, report: &Report, clock: &Clock<'_>) -> Markup {
    let highest = curve.values.iter().flatten().copied().fold(0.0, f64::max);
    let top = round_up(highest.max(1.0), curve.unit, curve.most);
    let x = |at: f64| LEFT + (WIDTH - LEFT) * at / curve.values.len().max(1) as f64;
    let y = |value: f64| ABOVE + (HEIGHT - ABOVE - BELOW) * (1.0 - value / top);
    let window_ns = report.to_ns - report.from_ns;
    let mut line = String::new();
    let mut area = String::new();
    let mut gaps = Vec::new();
    let mut at = 0;
    for run in curve.values.chunk_by(|a, b| a.is_some() == b.is_some()) {
        let (from, to) = (x(at as f64), x((at + run.len()) as f64));
        if run[0].is_none() {
            gaps.push((from, to - from));
        } else {
            let _ = write!(area, "M{from:.1} {:.1}", y(0.0));
            for (step, value) in run.iter().flatten().enumerate() {
                let (x, y) = (x(at as f64 + step as f64 + 0.5), y(*value));
                let _ = write!(line, "{}{x:.1} {y:.1}", if step == 0 { "M" } else { "L" });
                let _ = write!(area, "L{x:.1} {y:.1}");
            }
            let _ = write!(area, "L{to:.1} {:.1}Z", y(0.0));
        }
        at += run.len();
    }
    let label = |value: f64| match curve.unit {
        Unit::Percent => format!("{} %", percent(value).trim_end_matches(".0")),
        unit => measured(unit, value.round() as u64),
    };
    let described = format!("{}: at most {}", curve.title, label(highest));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(described) {
            @for part in if highest > 0.0 { &[0.0, 0.5, 1.0][..] } else { &[0.0] } {
                line.grid x1=(LEFT) x2=(WIDTH) y1=(y(top * part)) y2=(y(top * part)) {}
                text.axis x=(LEFT - 6.0) y=(y(top * part) + 4.0) text-anchor="end" { (label(top * part)) }
            }
            @for (from, width) in gaps {
                rect.gap x=(format!("{from:.1}")) y=(ABOVE) width=(format!("{width:.1}")) height=(HEIGHT - ABOVE - BELOW) {}
            }
            path.area d=(PreEscaped(area)) {}
            path.line d=(PreEscaped(line)) {}
            @for part in 0..=TIMES {
                @let place = LEFT + (WIDTH - LEFT) * part as f64 / TIMES as f64;
                @let time_ns = report.from_ns + window_ns / TIMES * part;
                text.axis x=(place) y=(HEIGHT - 5.0)
                    text-anchor=(match part { 0 => "start", TIMES => "end", _ => "middle" }) {
                    (clock.short(time_ns, window_ns))
                }
            }
        }
    }
}

/// A curve of the size of a word.
pub(super) fn spark(values: &[f64]) -> Markup {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 22.0;
    let highest = values.iter().copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return html! {};
    }
    let step = WIDTH / values.len() as f64;
    let mut area = format!("M0 {HEIGHT}");
    for (at, value) in values.iter().enumerate() {
        let y = HEIGHT - (HEIGHT - 1.0) * value / highest;
        let (from, to) = (step * at as f64, step * (at + 1) as f64);
        let _ = write!(area, "L{from:.1} {y:.1}L{to:.1} {y:.1}");
    }
    let _ = write!(area, "L{WIDTH} {HEIGHT}Z");
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" { path.area d=(PreEscaped(area)) {} }
    }
}

/// Where the axis ends: at a round figure above the highest, and not above what there is.
fn round_up(highest: f64, unit: Unit, most: Option<f64>) -> f64 {
    let base: f64 = if unit == Unit::Bytes { 1024.0 } else { 1000.0 };
    let magnitude = base.powf(highest.log(base).floor());
    let part = highest / magnitude;
    let steps = [
        1.0, 2.0, 4.0, 5.0, 8.0, 10.0, 20.0, 40.0, 50.0, 100.0, 200.0, 400.0, 500.0, 800.0,
    ];
    let round = steps.into_iter().find(|step| *step >= part).unwrap_or(base) * magnitude;
    match most {
        // Nearly all of it is all of it.
        Some(most) if round > most * 0.6 => most,
        _ => round,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_figure() {
        let percent = |highest| round_up(highest, Unit::Percent, Some(200.0));
        assert_eq!(
            [percent(3.7), percent(38.0), percent(150.0)],
            [4.0, 40.0, 200.0]
        );
        let bytes = |highest| round_up(highest, Unit::Bytes, None);
        assert_eq!(bytes(1.0), 1.0);
        assert_eq!(bytes(700.0 * 1024.0 * 1024.0), 800.0 * 1024.0 * 1024.0);
        assert_eq!(bytes(1000.0), 1024.0);
    }
}
