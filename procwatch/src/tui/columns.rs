//! Columns of the table of processes: any field can be one.

use crate::model::{
    field::{Field, Kind},
    totals::Counter,
    units::Unit,
};

/// What is shown unless the user chose otherwise.
pub const DEFAULT: &[Field] = &[
    Field::Pid,
    Field::User,
    Field::State,
    Field::CpuPct,
    Field::Rate(Counter::RunQueueWait),
    Field::Rss,
    Field::Rate(Counter::Read),
    Field::Rate(Counter::Write),
    Field::Rate(Counter::NetSent),
    Field::Rate(Counter::NetReceived),
    Field::Threads,
    Field::Total(Counter::CpuTime),
];

/// What goes first when a screen is too narrow for all, the first first.
const GIVEN_UP: &[Field] = &[
    Field::Total(Counter::CpuTime),
    Field::Threads,
    Field::Rate(Counter::NetReceived),
    Field::Rate(Counter::NetSent),
    Field::Rate(Counter::Write),
    Field::Rate(Counter::Read),
];

/// Command lines get at least so much.
const COMMAND_MIN: usize = 16;

/// The heading of a field, and how wide its column is.
pub fn heading(field: Field) -> (&'static str, usize) {
    match field {
        Field::Pid => ("PID", 7),
        Field::ParentPid => ("PPID", 7),
        Field::User => ("USER", 9),
        Field::State => ("S", 1),
        Field::CpuPct => ("CPU%", 6),
        Field::Rate(Counter::RunQueueWait) => ("WAIT%", 6),
        Field::Total(Counter::CpuTime) => ("CPU TIME", 9),
        Field::Rss => ("RSS", 6),
        Field::Pss => ("PSS", 6),
        Field::Swap => ("SWAP", 6),
        Field::Rate(Counter::Read) => ("READ/s", 6),
        Field::Rate(Counter::Write) => ("WRITE/s", 7),
        Field::Rate(Counter::NetSent) => ("SENT/s", 6),
        Field::Rate(Counter::NetReceived) => ("RECV/s", 6),
        Field::Threads => ("THR", 4),
        Field::Uid => ("UID", 6),
        Field::Comm => ("NAME", 15),
        Field::Container => ("CONTAINER", 14),
        Field::Cgroup => ("CGROUP", 24),
        other => {
            let name = other.name();
            let least = match (other.kind(), other.unit()) {
                (Kind::Text, _) => 12,
                (Kind::Flag, _) => 5,
                (_, Unit::Bytes | Unit::Percent) => 6,
                _ => 8,
            };
            (name, name.len().max(least))
        }
    }
}

/// Text stands at the left of its column, figures at the right.
pub fn is_left_aligned(field: Field) -> bool {
    field.kind() == Kind::Text
}

/// Which of the chosen columns fit beside the command line; the field that is sorted by always does, also when
/// it was not chosen.
pub fn fitting(chosen: &[Field], sort: Field, width: usize) -> Vec<Field> {
    let mut columns = chosen.to_vec();
    if !columns.contains(&sort) && sort != Field::Argv {
        columns.push(sort);
    }
    let needed =
        |columns: &[Field]| -> usize { columns.iter().map(|field| heading(*field).1 + 1).sum() };
    let room = width.saturating_sub(COMMAND_MIN);
    for given_up in GIVEN_UP {
        if needed(&columns) <= room {
            return columns;
        }
        columns.retain(|field| field != given_up || *field == sort);
    }
    while needed(&columns) > room && columns.len() > 1 {
        let last_other = columns.iter().rposition(|field| *field != sort);
        columns.remove(last_other.unwrap_or(columns.len() - 1));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_screen_gives_up_columns_and_never_the_sorted_one() {
        let names = |width, sort| -> Vec<_> {
            fitting(DEFAULT, sort, width)
                .into_iter()
                .map(|field| heading(field).0)
                .collect()
        };
        assert_eq!(names(200, Field::CpuPct).len(), DEFAULT.len());
        let at_80 = names(80, Field::Total(Counter::CpuTime));
        assert!(
            at_80.contains(&"CPU TIME") && !at_80.contains(&"THR"),
            "{at_80:?}"
        );
        assert!(names(80, Field::Pss).contains(&"PSS"));
        assert_eq!(names(10, Field::CpuPct), ["CPU%"]);
    }

    #[test]
    fn every_heading_fits_its_column() {
        for field in Field::all() {
            let (heading, width) = heading(*field);
            assert!(heading.len() <= width, "{heading}");
        }
    }
}
