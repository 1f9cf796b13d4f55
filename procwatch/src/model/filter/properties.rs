//! What holds for every filter and for every text.

use proptest::prelude::*;

use super::{
    Filter,
    expression::{Comparison, Expression, Operand},
    operand::operators,
    parse,
    pattern::Pattern,
};
use crate::model::field::{Field, Kind};

/// A field, an operand of its kind or null, and an operator that goes with both.
fn any_comparison() -> impl Strategy<Value = Expression> {
    let operand = |field: Field| {
        let known = match field.kind() {
            Kind::Integer | Kind::Real => {
                prop_oneof![any::<u64>().prop_map(Operand::Whole), any_fraction()].boxed()
            }
            Kind::Flag => any::<bool>().prop_map(Operand::Flag).boxed(),
            Kind::Text => any::<String>()
                .prop_map(|text| Operand::Text(Pattern::new(&text)))
                .boxed(),
        };
        prop_oneof![1 => Just(Operand::Null), 4 => known]
    };
    prop::sample::select(Field::all())
        .prop_flat_map(move |field| (Just(field), operand(field)))
        .prop_flat_map(|(field, operand)| {
            prop::sample::select(operators(field, &operand)).prop_map(move |operator| {
                let operand = operand.clone();
                Expression::Compare(Comparison {
                    field,
                    operator,
                    operand,
                })
            })
        })
}

/// A number with 0.5, 0.25 or 0.125 behind the point, or with any digits there.
fn any_fraction() -> impl Strategy<Value = Operand> {
    let eighths =
        (0_u32.., 1_u32..8).prop_map(|(whole, part)| f64::from(whole) + f64::from(part) / 8.0);
    let small = f64::MIN_POSITIVE..1.0;
    prop_oneof![eighths, small].prop_map(Operand::Fraction)
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let search = any::<String>().prop_map(|text| Expression::Search(Pattern::new(&text)));
    prop_oneof![any_comparison(), search].prop_recursive(5, 30, 4, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|inner| Expression::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            prop::collection::vec(inner, 2..4).prop_map(Expression::Any),
        ]
    })
}

proptest! {
    #[test]
    fn any_filter_reads_back(expression in any_expression()) {
        let written = expression.to_string();
        prop_assert!(!written.contains(char::is_control));
        prop_assert_eq!(parse::expression(&written), Ok(expression), "{}", written);
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(!error.to_string().contains(char::is_control));
            prop_assert!(error.column <= text.chars().count() + 1);
        }
    }

    #[test]
    fn no_row_of_tokens_is_too_much(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "cpu_pct", "comm", "core_dumped", "==", "!=", "<", ">=", "~", "!~", "5", "5MiB", "1m30s", "2.5%",
                "true", "null", "and", "or", "not", "!", "(", ")", "&&", "||", "'x'", "\"\\u{41}\"", "word", "\\",
                "\"", "=", "\u{202e}", "\n",
            ]),
            0..12,
        ),
        separator in prop::sample::select(vec!["", " "]),
    ) {
        let text = tokens.join(separator);
        match Filter::parse(&text) {
            Ok(filter) => prop_assert_eq!(filter.to_string().parse(), Ok(filter)),
            Err(error) => {
                prop_assert!(!error.to_string().contains(char::is_control));
                prop_assert!(error.column <= text.chars().count() + 1);
            }
        }
    }
}
