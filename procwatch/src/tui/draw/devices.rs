//! Disks, and network interfaces below them.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::text::{Words, put_line};
use crate::{
    model::{
        device::{DeviceSample, DirectionSample},
        escape::terminal,
        snapshot::Snapshot,
        units::{format_bytes, format_nanoseconds},
    },
    tui::{scene::Scene, state::State, theme::Meaning},
};

pub fn count(scene: &Scene<'_>) -> usize {
    lines_of(None, scene.snapshot).len()
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, scene: &Scene<'_>) {
    let lines = lines_of(Some(state), scene.snapshot);
    let shown = lines
        .iter()
        .skip(state.cursor.offset)
        .take(area.height.into());
    for (at, line) in shown.enumerate() {
        put_line(buffer, area, at as u16, line);
    }
}

/// Without a state, lines of nothing: to be counted.
fn lines_of(state: Option<&State>, snapshot: &Snapshot) -> Vec<Line<'static>> {
    let words = || state.map(|state| Words::new(state.theme));
    let line = |words: Option<Words>| words.map_or_else(Line::default, Words::line);
    let heading = |text: &str| line(words().map(|words| words.add(Meaning::Heading, text)));
    let mut lines = vec![heading(
        "DISK         READ/s   IO/s      p50      p99     WRITE/s   IO/s      p50      p99   NOT BY A PROCESS",
    )];
    for device in &snapshot.devices {
        lines.push(line(words().map(|words| disk(words, snapshot, device))));
    }
    if snapshot.devices.is_empty() {
        let none = "no block device was used since collection began";
        lines.push(line(words().map(|words| words.add(Meaning::Faint, none))));
    }
    lines.push(Line::default());
    lines.push(heading("INTERFACE      RECEIVED/s        SENT/s"));
    for interface in &snapshot.interfaces {
        let rate = |bytes| {
            format!(
                "{}/s",
                format_bytes(snapshot.per_second(bytes).unwrap_or(0))
            )
        };
        lines.push(line(words().map(|words| {
            words
                .add(Meaning::Name, format!("{:<12} ", terminal(&interface.name)))
                .add(
                    Meaning::Text,
                    format!("{:>12} ", rate(interface.received_bytes)),
                )
                .add(Meaning::Text, format!("{:>13}", rate(interface.sent_bytes)))
        })));
    }
    lines
}

fn disk(mut words: Words, snapshot: &Snapshot, device: &DeviceSample) -> Words {
    let name = device.name.as_deref().map_or_else(
        || device.number.to_string(),
        |name| terminal(name).into_owned(),
    );
    words.push(Meaning::Name, format!("{name:<10} "));
    direction(&mut words, snapshot, &device.read);
    words.push(Meaning::Text, "   ");
    direction(&mut words, snapshot, &device.write);
    let nobody = device.unattributed_bytes;
    let meaning = if nobody == 0 {
        Meaning::Faint
    } else {
        Meaning::Warning
    };
    let rate = snapshot.per_second(nobody).unwrap_or(0);
    words.push(meaning, format!("   {:>6}/s", format_bytes(rate)));
    words
}

fn direction(words: &mut Words, snapshot: &Snapshot, direction: &DirectionSample) {
    let per_second = |amount| snapshot.per_second(amount).unwrap_or(0);
    let meaning = if direction.bytes == 0 {
        Meaning::Faint
    } else {
        Meaning::Text
    };
    let latency = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), format_nanoseconds);
    words.push(
        meaning,
        format!("{:>8}", format_bytes(per_second(direction.bytes))),
    );
    words.push(meaning, format!(" {:>6}", per_second(direction.requests)));
    words.push(
        meaning,
        format!(" {:>8}", latency(direction.latencies.median_ns())),
    );
    words.push(
        meaning,
        format!(" {:>8}", latency(direction.latencies.p99_ns())),
    );
}
