//! What a filter says, as a tree.

use std::{cmp::Ordering, fmt};

use super::{column::Column, pattern::Pattern};
use crate::model::{
    escape::terminal,
    field::{Field, Value},
};

/// Only as deep as the parser lets it become, for every walk over it recurses.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression<F = Field> {
    Search(Pattern),
    Compare(Comparison<F>),
    Not(Box<Expression<F>>),
    /// At least two.
    All(Vec<Expression<F>>),
    /// At least two.
    Any(Vec<Expression<F>>),
}

/// The operand is of the field's kind or null, and the operator is one that the kind has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison<F = Field> {
    pub(super) field: F,
    pub(super) operator: Operator,
    pub(super) operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    ContainsNot,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Null,
    /// In the field's unit.
    Whole(u64),
    /// In the field's unit. Finite, and not a whole number.
    Fraction(f64),
    Flag(bool),
    Text(Pattern),
}

impl<F: Column> Expression<F> {
    pub(super) fn matches(&self, one: &F::Of<'_>) -> bool {
        match self {
            Self::Search(pattern) => F::finds(pattern, one),
            Self::Compare(comparison) => comparison.holds(one),
            Self::Not(inner) => !inner.matches(one),
            Self::All(members) => members.iter().all(|member| member.matches(one)),
            Self::Any(members) => members.iter().any(|member| member.matches(one)),
        }
    }

    /// The first figure that passes a limit, of those that have to; and that limit.
    pub(super) fn passed(&self, one: &F::Of<'_>) -> Option<(F, f64, f64)> {
        match self {
            Self::Compare(comparison) => comparison.passed(one),
            Self::All(members) | Self::Any(members) => {
                members.iter().find_map(|member| member.passed(one))
            }
            Self::Search(_) | Self::Not(_) => None,
        }
    }
}

impl<F: Column> Comparison<F> {
    fn passed(&self, one: &F::Of<'_>) -> Option<(F, f64, f64)> {
        use Operator::{Greater, GreaterOrEqual, Less, LessOrEqual};
        let is_limit = matches!(self.operator, Less | LessOrEqual | Greater | GreaterOrEqual);
        let limit = match self.operand {
            Operand::Whole(number) => number as f64,
            Operand::Fraction(number) => number,
            Operand::Null | Operand::Flag(_) | Operand::Text(_) => return None,
        };
        let value = match self.field.value(one) {
            Value::Integer(value) => value as f64,
            Value::Real(value) => value,
            Value::Unknown | Value::Flag(_) | Value::Text(_) => return None,
        };
        (is_limit && self.holds(one)).then_some((self.field, value, limit))
    }

    fn holds(&self, one: &F::Of<'_>) -> bool {
        let accepts = |order| self.operator.accepts(order);
        match (self.field.value(one), &self.operand) {
            (Value::Unknown, Operand::Null) => accepts(Ordering::Equal),
            (Value::Unknown, _) => false,
            (_, Operand::Null) => accepts(Ordering::Less),
            (Value::Integer(value), Operand::Whole(operand)) => accepts(value.cmp(operand)),
            (Value::Integer(value), Operand::Fraction(operand)) => {
                (value as f64).partial_cmp(operand).is_some_and(accepts)
            }
            (Value::Real(value), Operand::Whole(operand)) => {
                value.partial_cmp(&(*operand as f64)).is_some_and(accepts)
            }
            (Value::Real(value), Operand::Fraction(operand)) => {
                value.partial_cmp(operand).is_some_and(accepts)
            }
            (Value::Flag(value), Operand::Flag(operand)) => accepts(value.cmp(operand)),
            (Value::Text(value), Operand::Text(pattern)) => match self.operator {
                Operator::Contains => pattern.is_in(&value),
                Operator::ContainsNot => !pattern.is_in(&value),
                _ => accepts((*value).cmp(pattern.as_str())),
            },
            // Kept out by the parser.
            (Value::Integer(_) | Value::Real(_) | Value::Flag(_) | Value::Text(_), _) => false,
        }
    }
}

impl Operator {
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "~",
            Self::ContainsNot => "!~",
        }
    }

    /// Whether it holds between two values in this order.
    const fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Contains | Self::ContainsNot => false,
        }
    }
}

impl<F: Column> fmt::Display for Expression<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Search(pattern) => write_text(pattern, out),
            Self::Compare(Comparison {
                field,
                operator,
                operand,
            }) => {
                write!(out, "{} {} ", field.name(), operator.symbol())?;
                match operand {
                    Operand::Null => out.write_str("null"),
                    Operand::Whole(number) => write!(out, "{number}"),
                    Operand::Fraction(number) => write!(out, "{number}"),
                    Operand::Flag(flag) => write!(out, "{flag}"),
                    Operand::Text(pattern) => write_text(pattern, out),
                }
            }
            Self::Not(inner) => {
                out.write_str("not ")?;
                inner.write_within(matches!(**inner, Self::All(_) | Self::Any(_)), out)
            }
            Self::All(members) => write_joined(members, " and ", out, |member| {
                matches!(member, Self::All(_) | Self::Any(_))
            }),
            Self::Any(members) => write_joined(members, " or ", out, |member| {
                matches!(member, Self::Any(_))
            }),
        }
    }
}

impl<F: Column> Expression<F> {
    fn write_within(&self, parentheses: bool, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if parentheses {
            write!(out, "({self})")
        } else {
            write!(out, "{self}")
        }
    }
}

fn write_joined<F: Column>(
    members: &[Expression<F>],
    word: &str,
    out: &mut fmt::Formatter<'_>,
    needs_parentheses: impl Fn(&Expression<F>) -> bool,
) -> fmt::Result {
    for (position, member) in members.iter().enumerate() {
        if position > 0 {
            out.write_str(word)?;
        }
        member.write_within(needs_parentheses(member), out)?;
    }
    Ok(())
}

/// Quoted always: a bare word may be a keyword, or the name of a field.
fn write_text(pattern: &Pattern, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let escaped = pattern.as_str().replace('\\', "\\\\").replace('"', "\\\"");
    write!(out, "\"{}\"", terminal(&escaped))
}
