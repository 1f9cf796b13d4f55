//! Containers and cgroups, their processes added up.

use ratatui::{buffer::Buffer, layout::Rect};

use super::text::{Words, paint_line, put_line};
use crate::{
    model::{
        escape::{fit, terminal},
        groups::{Group, GroupOrder, groups},
        shown::percent,
        units::format_bytes,
    },
    tui::{scene::Scene, state::State, theme::Meaning},
};

pub fn count(state: &State, scene: &Scene<'_>) -> usize {
    groups(scene.snapshot, state.group_order).len()
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, scene: &Scene<'_>) {
    let meaning = |order| {
        if state.group_order == order {
            Meaning::Chosen
        } else {
            Meaning::Heading
        }
    };
    let heading = Words::new(state.theme)
        .add(Meaning::Heading, " PROCS ")
        .add(meaning(GroupOrder::Cpu), "  CPU%")
        .add(Meaning::Heading, "  WAIT%")
        .add(meaning(GroupOrder::Memory), "    RSS")
        .add(Meaning::Heading, "  READ/s WRITE/s SENT/s RECV/s ")
        .add(meaning(GroupOrder::Name), "CONTAINER OR CGROUP");
    put_line(buffer, area, 0, &heading.line());
    let groups = groups(scene.snapshot, state.group_order);
    let lines = usize::from(area.height.saturating_sub(1));
    let shown = groups
        .iter()
        .enumerate()
        .skip(state.cursor.offset)
        .take(lines);
    for (at, (number, group)) in shown.enumerate() {
        let line = at as u16 + 1;
        let words = row(Words::new(state.theme), group, area.width.into());
        put_line(buffer, area, line, &words.line());
        if number == state.cursor.line {
            paint_line(buffer, area, line, state.theme.style(Meaning::Cursor));
        }
    }
}

fn row(mut words: Words, group: &Group, width: usize) -> Words {
    let bytes = |rate: f64| format_bytes(rate.round() as u64);
    let cpu = match group.sum.cpu_pct {
        50.0.. => Meaning::Warning,
        1.0.. => Meaning::Calm,
        _ => Meaning::Faint,
    };
    words.push(Meaning::Text, format!("{:>6} ", group.sum.processes));
    words.push(cpu, format!("{:>6}", percent(group.sum.cpu_pct)));
    let wait = if group.wait_pct >= 2.0 {
        Meaning::Warning
    } else {
        Meaning::Faint
    };
    words.push(wait, format!("{:>7}", percent(group.wait_pct)));
    words.push(
        Meaning::Text,
        format!("{:>7}", format_bytes(group.sum.rss_bytes)),
    );
    for (rate, wide) in [
        (group.read_per_sec, 8),
        (group.write_per_sec, 8),
        (group.sent_per_sec, 7),
        (group.received_per_sec, 7),
    ] {
        let meaning = if rate == 0.0 {
            Meaning::Faint
        } else {
            Meaning::Text
        };
        words.push(meaning, format!("{:>wide$}", bytes(rate)));
    }
    words.push(Meaning::Text, " ");
    if let Some(container) = &group.container {
        words.push(Meaning::Name, format!("{} ", terminal(container)));
    }
    let room = width.saturating_sub(words.width());
    let cgroup = group.cgroup.as_deref().unwrap_or("(not known)");
    words.push(Meaning::Faint, fit(&terminal(cgroup), room));
    words
}
