//! What a field can be compared with, checked when the filter is parsed and not when it runs.

use super::{
    FilterError,
    column::Column,
    expression::{Operand, Operator},
    lex::{Token, TokenKind},
    pattern::Pattern,
};
use crate::model::{
    escape::quoted,
    field::Kind,
    units::{Amount, QuantityError, Unit, parse_quantity},
};

/// The value behind an operator, if it is of the field's kind.
pub(super) fn operand<F: Column>(field: F, token: &Token<'_>) -> Result<Operand, FilterError> {
    let not_with = |what: &str| {
        FilterError::new(
            token.column,
            format!(
                "{} cannot be compared with the {what} {}",
                field.name(),
                quoted(token.text)
            ),
            value_remedy(field),
        )
    };
    let number = |amount: Amount| match amount {
        Amount::Whole(number) => Operand::Whole(number),
        Amount::Fraction(number) => Operand::Fraction(number),
    };
    let is_numeric = matches!(field.kind(), Kind::Integer | Kind::Real);
    match (Literal::of(token, value_remedy(field))?, field.kind()) {
        (Literal::Null, _) => Ok(Operand::Null),
        (Literal::Text(text), Kind::Text) => Ok(Operand::Text(Pattern::new(text))),
        (Literal::Text(_), _) => Err(not_with("text")),
        (Literal::Flag(flag), Kind::Flag) => Ok(Operand::Flag(flag)),
        (Literal::Flag(_), _) => Err(not_with("flag")),
        (Literal::Number(amount, unit), _) if is_numeric => {
            if unit == Unit::Count || unit == field.unit() {
                return Ok(number(amount));
            }
            Err(not_with(match unit {
                Unit::Bytes => "size",
                Unit::Nanoseconds => "duration",
                Unit::Percent | Unit::Count => "percentage",
            }))
        }
        (Literal::Number(..), _) => Err(not_with("number")),
    }
}

enum Literal<'a> {
    Null,
    Flag(bool),
    Number(Amount, Unit),
    Text(&'a str),
}

impl<'a> Literal<'a> {
    fn of(token: &'a Token<'_>, remedy: &str) -> Result<Self, FilterError> {
        let word = match &token.kind {
            TokenKind::Quoted(text) => return Ok(Self::Text(text)),
            TokenKind::Word => token.text,
            _ => return Err(token.unexpected(remedy)),
        };
        let keyword = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if keyword("null") {
            return Ok(Self::Null);
        }
        if keyword("true") || keyword("false") {
            return Ok(Self::Flag(keyword("true")));
        }
        if !word.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(Self::Text(word));
        }
        match parse_quantity(word) {
            Ok(quantity) => Ok(Self::Number(quantity.amount, quantity.unit)),
            Err(QuantityError::TooLarge(text, limit)) => Err(FilterError::new(
                token.column,
                format!("{text} is too large"),
                format!("write less than {limit}"),
            )),
            Err(_) => Err(FilterError::new(
                token.column,
                format!("{} is no number", quoted(word)),
                "write it as in 5, 2.5%, 64MiB or 500ms, and put text in quotes",
            )),
        }
    }
}

/// What can be written behind a comparison with the field.
pub(super) fn value_remedy<F: Column>(field: F) -> &'static str {
    match (field.kind(), field.unit()) {
        (Kind::Text, _) => "compare it with a text in quotes, or null",
        (Kind::Flag, _) => "compare it with true, false or null",
        (_, Unit::Count) => "compare it with a plain number such as 5, or null",
        (_, Unit::Bytes) => "compare it with a number of bytes such as 4096 or 64MiB, or null",
        (_, Unit::Nanoseconds) => {
            "compare it with nanoseconds or a duration such as 500ms, or null"
        }
        (_, Unit::Percent) => "compare it with a number such as 5 or 5%, or null",
    }
}

pub(super) fn operators<F: Column>(field: F, operand: &Operand) -> &'static [Operator] {
    use Operator::{
        Contains, ContainsNot, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual,
    };
    match (operand, field.kind()) {
        (Operand::Null, _) | (_, Kind::Flag) => &[Equal, NotEqual],
        (_, Kind::Text) => &[Equal, NotEqual, Contains, ContainsNot],
        (_, Kind::Integer | Kind::Real) => {
            &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]
        }
    }
}
