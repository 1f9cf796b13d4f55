//! The order of processes by one field.

use std::{borrow::Cow, cmp::Ordering};

use super::{Field, Value};
use crate::model::{selection::Direction, snapshot::ProcessView};

/// What sorts by `field`: numbers from the largest, flags that are set first, text ascending by its
/// bytes, the unknown last, and what is equal by pid and start. A total order, whatever the values.
pub fn compare_by(
    field: Field,
    direction: Direction,
) -> impl Fn(&ProcessView<'_>, &ProcessView<'_>) -> Ordering {
    move |a, b| {
        let (a_key, b_key) = (key(field, a), key(field, b));
        let is_known = rank(&a_key) == rank(&b_key);
        let order = match direction {
            Direction::Reversed if is_known => compare(&b_key, &a_key),
            _ => compare(&a_key, &b_key),
        };
        order.then_with(|| a.process.id.cmp(&b.process.id))
    }
}

/// The value, but the arguments as they are stored: the NULs between them sort as well as the spaces that
/// [`Field::value`] would make a copy for.
fn key<'a>(field: Field, view: &ProcessView<'a>) -> Value<'a> {
    match (field, view.process.facts.argv.as_deref()) {
        (Field::Argv, Some(argv)) => Value::Text(Cow::Borrowed(argv)),
        _ => field.value(view),
    }
}

fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => b.cmp(a),
        (Value::Real(a), Value::Real(b)) => b.total_cmp(a),
        (Value::Flag(a), Value::Flag(b)) => b.cmp(a),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        // One field has values of one kind: what is left is known against unknown.
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Integer(_) | Value::Real(_) | Value::Flag(_) | Value::Text(_) => 0,
        Value::Unknown => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        field::fixture::{Fixture, ended},
        sample::{State, TotalsAt},
        totals::Counter,
    };

    fn sorted(field: Field, fixtures: &[Fixture]) -> Vec<u32> {
        let mut views: Vec<_> = fixtures.iter().map(Fixture::view).collect();
        views.sort_by(compare_by(field, Direction::Usual));
        views.iter().map(|view| view.process.id.pid).collect()
    }

    #[test]
    fn each_kind_has_its_direction() {
        let mut fixtures = [
            Fixture::new(1, "zsh"),
            Fixture::new(2, ""),
            Fixture::new(3, "bash"),
            Fixture::new(4, "bash"),
        ];
        for (fixture, cpu_ns) in fixtures.iter_mut().zip([5, 0, 900, 70]) {
            fixture.delta.set(Counter::CpuTime, cpu_ns);
        }
        fixtures[0].process.rss_bytes = Some(10);
        fixtures[3].process.rss_bytes = Some(20);
        fixtures[3].process.state = State::Exited(ended(None, Some(0), TotalsAt::Final));
        fixtures[1].process.state = State::Exited(ended(None, Some(0x80 | 6), TotalsAt::Final));
        let check = |field: Field, expected: [u32; 4]| {
            assert_eq!(sorted(field, &fixtures), expected, "{field:?}");
        };
        check(Field::Pid, [4, 3, 2, 1]);
        check(Field::Comm, [3, 4, 1, 2]);
        check(Field::CpuPct, [3, 4, 1, 2]);
        check(Field::Rss, [4, 1, 2, 3]);
        check(Field::CoreDumped, [2, 4, 1, 3]);
        check(Field::Pss, [1, 2, 3, 4]);
    }

    #[test]
    fn reversed_the_unknown_stay_last() {
        let mut fixtures = [1, 2, 3].map(|pid| Fixture::new(pid, "x"));
        fixtures[0].process.rss_bytes = Some(10);
        fixtures[2].process.rss_bytes = Some(20);
        let mut views: Vec<_> = fixtures.iter().map(Fixture::view).collect();
        views.sort_by(compare_by(Field::Rss, Direction::Reversed));
        let pids: Vec<_> = views.iter().map(|view| view.process.id.pid).collect();
        assert_eq!(pids, [1, 3, 2]);
    }

    #[test]
    fn no_value_breaks_the_order() {
        let check = |a: Value<'_>, b: Value<'_>, expected: Ordering| {
            assert_eq!(compare(&a, &b), expected, "{a:?} {b:?}");
            assert_eq!(compare(&b, &a), expected.reverse(), "{b:?} {a:?}");
        };
        check(
            Value::Real(f64::NAN),
            Value::Real(f64::NAN),
            Ordering::Equal,
        );
        check(
            Value::Real(f64::NAN),
            Value::Real(f64::INFINITY),
            Ordering::Less,
        );
        check(Value::Real(0.0), Value::Unknown, Ordering::Less);
        check(Value::Unknown, Value::Unknown, Ordering::Equal);
        check("a".into(), "b".into(), Ordering::Less);
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_where_one_starts(
            processes in prop::collection::vec((0_u32..9, 0_u64..4, prop::option::of(0_u64..4)), 0..12),
        ) {
            let fixture = |(pid, start_time_ns, rss_bytes)| {
                let mut fixture = Fixture::new(pid, "x");
                fixture.process.id.start_time_ns = start_time_ns;
                fixture.process.rss_bytes = rss_bytes;
                fixture
            };
            let key = |fixture: &Fixture| (fixture.process.id, fixture.process.rss_bytes);
            let fixtures: Vec<_> = processes.into_iter().map(fixture).collect();
            let mut forwards: Vec<_> = fixtures.iter().map(Fixture::view).collect();
            let mut backwards: Vec<_> = fixtures.iter().rev().map(Fixture::view).collect();
            forwards.sort_by(compare_by(Field::Rss, Direction::Usual));
            backwards.sort_by(compare_by(Field::Rss, Direction::Usual));
            let keys = |views: &[ProcessView<'_>]| -> Vec<_> {
                views.iter().map(|view| (view.process.id, view.process.rss_bytes)).collect()
            };
            prop_assert_eq!(keys(&forwards), keys(&backwards));
            let mut expected: Vec<_> = fixtures.iter().map(key).collect();
            // None sorts below any Some, and is to come last.
            expected.sort_by_key(|&(id, rss_bytes)| (std::cmp::Reverse(rss_bytes), id));
            prop_assert_eq!(keys(&forwards), expected);
        }
    }
}
