//! The host, above every view: when, how busy, how full, what is lost.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::text::{Words, bar, block, of_share, put_line};
use crate::{
    model::{
        escape::terminal,
        shown::percent,
        snapshot::{CoreShare, Snapshot},
        units::{format_bytes, format_nanoseconds},
    },
    tui::{
        data::{Data, Recording},
        scene::Scene,
        state::State,
        theme::{Meaning, Theme},
    },
};

/// More CPUs than this are drawn as one block each.
const BARS_MAX: usize = 16;
/// Columns from which there is room for swap, and for whose CPU time it was.
const WIDE: usize = 104;
/// Intervals without a sample after which the picture is said to be late.
const LATE_AFTER: f64 = 2.5;

/// How many lines the head takes.
pub fn lines(scene: &Scene<'_>, width: u16) -> u16 {
    3 + core_lines(scene.snapshot.cores.len(), width.into()) as u16
        + u16::from(notice_count(scene) > 0)
}

fn notice_count(scene: &Scene<'_>) -> usize {
    usize::from(scene.snapshot.sample.loss.total() > 0)
        + usize::from(!scene.snapshot.sample.shed.is_nothing())
}

fn bars_a_line(width: usize) -> usize {
    (width / 36).clamp(1, 8)
}

fn core_lines(cores: usize, width: usize) -> usize {
    match cores {
        0 => 0,
        1..=BARS_MAX => cores.div_ceil(bars_a_line(width)),
        more => more.div_ceil(width.saturating_sub(6).max(1)),
    }
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, data: &Data, scene: &Scene<'_>) {
    let theme = state.theme;
    let width = usize::from(area.width);
    let mut lines = vec![title(state, data, scene)];
    lines.extend(cores(theme, &scene.snapshot.cores, width));
    lines.push(memory(theme, scene.snapshot, width));
    lines.push(traffic(theme, scene.snapshot));
    if notice_count(scene) > 0 {
        lines.push(notices(theme, scene.snapshot));
    }
    for (at, line) in lines.iter().enumerate() {
        put_line(buffer, area, at as u16, line);
    }
}

/// Who, when, and whether this is now.
fn title(state: &State, data: &Data, scene: &Scene<'_>) -> Line<'static> {
    let sample = &scene.snapshot.sample;
    let ended = sample.processes.iter().filter(|one| one.state.has_gone());
    let ended = ended.count();
    let living = sample.processes.len() - ended;
    let mut words = Words::new(state.theme)
        .add(Meaning::Heading, "procwatch ")
        .add(Meaning::Text, clock(data, sample.time_ns));
    if let Some(recording) = &data.recording {
        words.push(Meaning::Warning, replay(recording, data, sample.time_ns));
    }
    let ago_ns = data.now.boot_ns.saturating_sub(sample.boot_time_ns);
    if data.recording.is_some() {
        // Nothing in it is of now, and nothing late.
    } else if state.held.is_some() {
        words.push(
            Meaning::Warning,
            format!("  PAUSED, {} ago", seconds(ago_ns)),
        );
    } else if ago_ns as f64 > data.interval.as_nanos() as f64 * LATE_AFTER
        && ago_ns as f64 > scene.snapshot.interval_ns as f64 * LATE_AFTER
    {
        words.push(
            Meaning::Alarm,
            format!("  LATE: no sample for {}", seconds(ago_ns)),
        );
    }
    words.push(
        Meaning::Faint,
        format!("  every {}", seconds(scene.snapshot.interval_ns)),
    );
    if let Some(pid) = data.recorder {
        words.push(Meaning::Faint, format!(" by recorder {pid}"));
    }
    words.push(Meaning::Text, format!("  {living} processes"));
    words.push(Meaning::Faint, format!(", {ended} ended"));
    if let Some([one, five, fifteen]) = sample.host.load {
        words.push(Meaning::Faint, "  load ");
        words.push(Meaning::Text, format!("{one:.2} "));
        words.push(Meaning::Faint, format!("{five:.2} {fifteen:.2}"));
    }
    if data.degraded.is_some() {
        words.push(Meaning::Alarm, "  /proc alone: sampled, not exact");
    }
    words.line()
}

/// Which day this was, how it is played, and how much there is before and after it.
fn replay(recording: &Recording, data: &Data, time_ns: u64) -> String {
    let how = if recording.is_playing {
        format!("playing \u{d7}{}", recording.speed)
    } else {
        "held".to_owned()
    };
    // How much lies before and after, as players have it.
    let part = |from_ns: u64, to_ns: u64| clock_span(to_ns.saturating_sub(from_ns));
    format!(
        " {}  REPLAY {how} -{} +{}",
        day(data, time_ns),
        part(recording.from_ns, time_ns),
        part(time_ns, recording.to_ns),
    )
}

/// Hours, minutes and seconds.
fn clock_span(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The date, where the user is.
fn day(data: &Data, wall_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(wall_ns)).map_or_else(
        |_| "?".to_owned(),
        |time| time.to_zoned(data.zone.clone()).strftime("%F").to_string(),
    )
}

/// To a tenth, and below half a second in full.
fn seconds(ns: u64) -> String {
    match ns {
        ..500_000_000 => format_nanoseconds(ns),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

/// A time of day, to the second.
pub fn clock(data: &Data, wall_ns: u64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(wall_ns)) {
        Ok(time) => time
            .to_zoned(data.zone.clone())
            .strftime("%H:%M:%S")
            .to_string(),
        Err(_) => "--:--:--".to_owned(),
    }
}

fn cores(theme: Theme, cores: &[CoreShare], width: usize) -> Vec<Line<'static>> {
    if cores.len() > BARS_MAX {
        return blocks(theme, cores, width);
    }
    let a_line = bars_a_line(width);
    let cell = width / a_line;
    cores
        .chunks(a_line)
        .map(|cores| {
            let mut spans = Vec::new();
            for core in cores {
                let label = format!("{:>3} ", core.number);
                let wide = cell.saturating_sub(label.len() + 1);
                spans.extend(Words::new(theme).add(Meaning::Faint, label).line().spans);
                let parts = [
                    (Meaning::Calm, core.user_pct / 100.0),
                    (Meaning::Kernel, core.system_pct / 100.0),
                    (Meaning::Warning, core.steal_pct / 100.0),
                ];
                let busy = format!("{:.1}%", core.user_pct + core.system_pct + core.steal_pct);
                spans.extend(bar(theme, wide, &parts, &busy));
                spans.push(" ".into());
            }
            Line::from(spans)
        })
        .collect()
}

/// A block for each, as high as it is busy.
fn blocks(theme: Theme, cores: &[CoreShare], width: usize) -> Vec<Line<'static>> {
    cores
        .chunks(width.saturating_sub(6).max(1))
        .enumerate()
        .map(|(line, cores)| {
            let mut words =
                Words::new(theme).add(Meaning::Faint, if line == 0 { "CPUs  " } else { "      " });
            for core in cores {
                let busy = (core.user_pct + core.system_pct) / 100.0;
                words.push(of_share(busy), block(busy).to_string());
            }
            words.line()
        })
        .collect()
}

/// Memory and swap, whose the CPUs' time was, and what was waited for.
fn memory(theme: Theme, snapshot: &Snapshot, width: usize) -> Line<'static> {
    let host = &snapshot.sample.host;
    let mut spans = Vec::new();
    let wide = (width / 3).saturating_sub(6);
    let mut gauge = |label: &'static str, total: Option<u64>, free: Option<u64>| {
        let (Some(total @ 1..), Some(free)) = (total, free) else {
            return;
        };
        let used = total.saturating_sub(free);
        let part = used as f64 / total as f64;
        let text = format!("{}/{}", format_bytes(used), format_bytes(total));
        spans.extend(Words::new(theme).add(Meaning::Faint, label).line().spans);
        spans.extend(bar(theme, wide, &[(of_share(part), part)], &text));
        spans.push(" ".into());
    };
    gauge("Mem ", host.memory_total_bytes, host.memory_available_bytes);
    if width >= WIDE {
        gauge("Swp ", host.swap_total_bytes, host.swap_free_bytes);
    }
    let share = snapshot.cpu_shares();
    let mut words = Words::new(theme).add(Meaning::Faint, " CPU ");
    match (share.busy_pct, share.unattributed_pct) {
        (Some(busy), Some(nobody)) => {
            words.push(Meaning::Text, format!("{}%", percent(busy)));
            words.push(
                Meaning::Faint,
                format!(
                    " ({}% processes, {}% nobody)",
                    percent(share.processes_pct),
                    percent(nobody)
                ),
            );
        }
        _ => words.push(
            Meaning::Text,
            format!("{}% processes", percent(share.processes_pct)),
        ),
    }
    spans.extend(words.line().spans);
    Line::from(spans)
}

/// Pressure, network and disks.
fn traffic(theme: Theme, snapshot: &Snapshot) -> Line<'static> {
    let mut words = Words::new(theme);
    let rate = |bytes: u64| {
        let per_second = snapshot.per_second(bytes).unwrap_or(0);
        format!("{}/s", format_bytes(per_second))
    };
    let outside = snapshot.interfaces.iter().filter(|one| &*one.name != "lo");
    let (received, sent) = outside.fold((0_u64, 0_u64), |(received, sent), one| {
        (
            received.saturating_add(one.received_bytes),
            sent.saturating_add(one.sent_bytes),
        )
    });
    words.push(Meaning::Faint, "Net ");
    words.push(
        Meaning::Text,
        format!("↓{} ↑{}", rate(received), rate(sent)),
    );
    words.push(Meaning::Faint, "   Disk ");
    let (read, write) = snapshot
        .devices
        .iter()
        .fold((0_u64, 0_u64), |(read, write), one| {
            (
                read.saturating_add(one.read.bytes),
                write.saturating_add(one.write.bytes),
            )
        });
    words.push(Meaning::Text, format!("r {} w {}", rate(read), rate(write)));
    if let Some(busiest) = snapshot.busy_devices().first() {
        let name = busiest
            .name
            .as_deref()
            .map(|name| terminal(name).into_owned());
        words.push(Meaning::Faint, format!(" {}", name.unwrap_or_default()));
    }
    let pressure = snapshot.sample.host.pressure;
    let kinds = [
        ("cpu", pressure.cpu_pct),
        ("mem", pressure.memory_pct),
        ("io", pressure.io_pct),
    ];
    if kinds.iter().any(|(_, value)| value.is_some()) {
        words.push(Meaning::Faint, "   Pressure");
    }
    for (kind, value) in kinds {
        let Some(value) = value else {
            continue;
        };
        words.push(Meaning::Faint, format!(" {kind} "));
        let meaning = if value >= 10.0 {
            Meaning::Warning
        } else {
            Meaning::Text
        };
        words.push(meaning, format!("{value:.1}%"));
    }
    words.line()
}

/// What is missing from the picture.
fn notices(theme: Theme, snapshot: &Snapshot) -> Line<'static> {
    let mut words = Words::new(theme);
    let loss = &snapshot.sample.loss;
    if loss.total() > 0 {
        let kinds = loss.entries().into_iter().filter(|(_, count)| *count > 0);
        let kinds: Vec<_> = kinds
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        words.push(Meaning::Alarm, format!("LOST: {}", kinds.join(", ")));
        words.push(Meaning::Text, "  ");
    }
    let shed = snapshot.sample.shed;
    if !shed.is_nothing() {
        let names = shed.names().join(", ");
        words.push(
            Meaning::Warning,
            format!("Left out to stay within limits: {names}"),
        );
    }
    words.line()
}
