//! From a filter's tokens to its tree, by recursive descent.

use super::{
    FilterError,
    column::Column,
    expression::{Comparison, Expression, Operator},
    lex::{self, Token, TokenKind},
    operand::{operand, operators, value_remedy},
    pattern::Pattern,
};
use crate::model::escape::quoted;

/// How deep parentheses and negations nest: far beyond what people write, far below what the stack holds.
const DEEPEST: usize = 64;

pub(super) fn expression<F: Column>(text: &str) -> Result<Expression<F>, FilterError> {
    let tokens = lex::tokens(text)?;
    if tokens.is_empty() {
        return Err(FilterError::new(
            1,
            "nothing to match",
            "write a comparison such as cpu_pct > 5, or a word to search for",
        ));
    }
    let end_column = text.trim_end().chars().count() + 1;
    let mut parser = Parser {
        tokens: &tokens,
        end_column,
        depth: 0,
    };
    let expression = parser.any()?;
    match parser.tokens {
        [] => Ok(expression),
        [token, ..] => Err(token.unexpected(match token.kind {
            TokenKind::Close => "remove it, or open a parenthesis before it",
            TokenKind::Compare(_) => "compare one field with one value, such as cpu_pct > 5",
            _ => "join conditions with and or or; put text with spaces in quotes",
        })),
    }
}

struct Parser<'a> {
    /// Those not yet parsed.
    tokens: &'a [Token<'a>],
    end_column: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any<F: Column>(&mut self) -> Result<Expression<F>, FilterError> {
        let first = self.all()?;
        let mut members = vec![first];
        while self.take(&TokenKind::Or).is_some() {
            members.push(self.all()?);
        }
        Ok(one_or(members, Expression::Any))
    }

    fn all<F: Column>(&mut self) -> Result<Expression<F>, FilterError> {
        let first = self.negation()?;
        let mut members = vec![first];
        while self.take(&TokenKind::And).is_some() {
            members.push(self.negation()?);
        }
        Ok(one_or(members, Expression::All))
    }

    fn negation<F: Column>(&mut self) -> Result<Expression<F>, FilterError> {
        if let Some(not) = self.take(&TokenKind::Not) {
            return self.deeper(not, |parser| {
                Ok(Expression::Not(Box::new(parser.negation()?)))
            });
        }
        if let Some(open) = self.take(&TokenKind::Open) {
            return self.deeper(open, |parser| {
                let inner = parser.any()?;
                match parser.take(&TokenKind::Close) {
                    Some(_) => Ok(inner),
                    None => Err(parser.unclosed(open)),
                }
            });
        }
        self.condition()
    }

    fn deeper<F: Column>(
        &mut self,
        token: &Token<'_>,
        parse: impl FnOnce(&mut Self) -> Result<Expression<F>, FilterError>,
    ) -> Result<Expression<F>, FilterError> {
        if self.depth == DEEPEST {
            return Err(FilterError::new(
                token.column,
                format!("{} nests too deep", quoted(token.text)),
                format!("nest at most {DEEPEST} parentheses and negations"),
            ));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// A comparison or a search.
    fn condition<F: Column>(&mut self) -> Result<Expression<F>, FilterError> {
        let remedy = "write a comparison such as cpu_pct > 5, or a word to search for";
        let token = self.next(remedy)?;
        let text = match &token.kind {
            TokenKind::Word => token.text,
            TokenKind::Quoted(text) => text,
            _ => return Err(token.unexpected(remedy)),
        };
        if let [
            symbol @ Token {
                kind: TokenKind::Compare(operator),
                ..
            },
            rest @ ..,
        ] = self.tokens
        {
            self.tokens = rest;
            return self.comparison(token, symbol, *operator);
        }
        if token.kind == TokenKind::Word && F::from_name(text).is_some() {
            return Err(FilterError::new(
                token.column,
                format!("field {} without a comparison", quoted(text)),
                "compare it with a value, or put it in quotes to search for the text",
            ));
        }
        if !F::IS_SEARCHED {
            return Err(FilterError::new(
                token.column,
                format!("{} is searched for where there is no text", quoted(text)),
                F::remedy_for(text),
            ));
        }
        Ok(Expression::Search(Pattern::new(text)))
    }

    fn comparison<F: Column>(
        &mut self,
        name: &Token<'_>,
        symbol: &Token<'_>,
        operator: Operator,
    ) -> Result<Expression<F>, FilterError> {
        if name.kind != TokenKind::Word {
            return Err(
                name.unexpected("write the name of a field before the comparison, without quotes")
            );
        }
        let field = F::from_name(name.text).ok_or_else(|| {
            let problem = format!("unknown field {}", quoted(name.text));
            let remedy = if name.text.starts_with(|first: char| first.is_ascii_digit()) {
                "write the field before the comparison and the value behind it".to_owned()
            } else {
                F::remedy_for(name.text)
            };
            FilterError::new(name.column, problem, remedy)
        })?;
        let value = self.next(value_remedy(field))?;
        let operand = operand(field, value)?;
        let operators = operators(field, &operand);
        if !operators.contains(&operator) {
            let symbols: Vec<_> = operators.iter().map(|operator| operator.symbol()).collect();
            return Err(FilterError::new(
                symbol.column,
                format!(
                    "{} cannot compare {} with {}",
                    quoted(symbol.text),
                    field.name(),
                    quoted(value.text)
                ),
                format!("use one of {}", symbols.join(" ")),
            ));
        }
        Ok(Expression::Compare(Comparison {
            field,
            operator,
            operand,
        }))
    }

    fn next(&mut self, remedy: &str) -> Result<&'a Token<'a>, FilterError> {
        let Some((token, rest)) = self.tokens.split_first() else {
            return Err(FilterError::new(self.end_column, "unexpected end", remedy));
        };
        self.tokens = rest;
        Ok(token)
    }

    fn take(&mut self, kind: &TokenKind) -> Option<&'a Token<'a>> {
        let (token, rest) = self
            .tokens
            .split_first()
            .filter(|(token, _)| token.kind == *kind)?;
        self.tokens = rest;
        Some(token)
    }

    /// There is no parenthesis that closes `open` where one should be.
    fn unclosed(&self, open: &Token<'_>) -> FilterError {
        match self.tokens {
            [] => FilterError::new(open.column, "unclosed \"(\"", "close it with )"),
            [token, ..] => {
                token.unexpected("join conditions with and or or, and close the parenthesis with )")
            }
        }
    }
}

fn one_or<F>(
    mut members: Vec<Expression<F>>,
    join: fn(Vec<Expression<F>>) -> Expression<F>,
) -> Expression<F> {
    match members.pop() {
        Some(only) if members.is_empty() => only,
        Some(last) => {
            members.push(last);
            join(members)
        }
        None => join(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Filter;

    #[test]
    fn what_is_written_reads_back() {
        let check = |text: &str, expected: &str| {
            let parsed = Filter::parse(text).unwrap();
            assert_eq!(parsed.to_string(), expected, "{text}");
            assert_eq!(expected.parse(), Ok(parsed), "{text}");
        };
        check("nginx", "\"nginx\"");
        check("cpu_pct>5%", "cpu_pct > 5");
        check("rss_bytes >= 1.5KiB", "rss_bytes >= 1536");
        check("cpu_pct < 2.50", "cpu_pct < 2.5");
        check("user == www-data", "user == \"www-data\"");
        check(
            "exe == NULL || core_dumped != TRUE",
            "exe == null or core_dumped != true",
        );
        check(
            "a and (b or c) and not (d and e)",
            "\"a\" and (\"b\" or \"c\") and not (\"d\" and \"e\")",
        );
        check("(((a)))", "\"a\"");
        check("(a and b) and c", "(\"a\" and \"b\") and \"c\"");
        check("(a and b) or c", "\"a\" and \"b\" or \"c\"");
        check("!(!a)", "not not \"a\"");
        check(r#"'say "hi"\n' and "\\d""#, r#""say \"hi\"\n" and "\\d""#);
        check("\"\u{202e}\u{85}\"", "\"\\u{202e}\\u{85}\"");
    }

    #[test]
    fn an_error_names_the_token_and_the_remedy() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                Filter::parse(text).unwrap_err().to_string(),
                expected,
                "{text}"
            );
        };
        let condition = "write a comparison such as cpu_pct > 5, or a word to search for";
        check(
            "cpu_pc > 5",
            "unknown field \"cpu_pc\" at column 1; did you mean \"cpu_pct\"?",
        );
        check(
            "nginx and zzz > 5",
            "unknown field \"zzz\" at column 11; fields are named as in the JSON output, such as cpu_pct, rss_bytes or comm",
        );
        check("  ", &format!("nothing to match at column 1; {condition}"));
        check(
            "nginx and ",
            &format!("unexpected end at column 10; {condition}"),
        );
        check(
            "and x",
            &format!("unexpected \"and\" at column 1; {condition}"),
        );
        check("> 5", &format!("unexpected \">\" at column 1; {condition}"));
        check(
            "cpu_pct >",
            "unexpected end at column 10; compare it with a number such as 5 or 5%, or null",
        );
        check(
            "comm == (",
            "unexpected \"(\" at column 9; compare it with a text in quotes, or null",
        );
        check(
            "comm == 5",
            "comm cannot be compared with the number \"5\" at column 9; compare it with a text in quotes, or null",
        );
        check(
            "pid == 'x'",
            "pid cannot be compared with the text \"'x'\" at column 8; compare it with a plain number such as 5, or null",
        );
        check(
            "rss_bytes > 5ms",
            "rss_bytes cannot be compared with the duration \"5ms\" at column 13; compare it with a number of bytes such as 4096 or 64MiB, or null",
        );
        check(
            "core_dumped == 1",
            "core_dumped cannot be compared with the number \"1\" at column 16; compare it with true, false or null",
        );
        check(
            "pid ~ 5",
            "\"~\" cannot compare pid with \"5\" at column 5; use one of == != < <= > >=",
        );
        check(
            "exe < null",
            "\"<\" cannot compare exe with \"null\" at column 5; use one of == !=",
        );
        check(
            "cpu_pct > 5x",
            "\"5x\" is no number at column 11; write it as in 5, 2.5%, 64MiB or 500ms, and put text in quotes",
        );
        check(
            "rss_bytes > 99999999999TiB",
            "\"99999999999TiB\" is too large at column 13; write less than 16 million TiB",
        );
        check(
            "cpu_pct = 5",
            "unexpected \"=\" at column 9; write ==, or put text that has it in quotes",
        );
        check("(nginx", "unclosed \"(\" at column 1; close it with )");
        check(
            "(a b)",
            "unexpected \"b\" at column 4; join conditions with and or or, and close the parenthesis with )",
        );
        check(
            "a)",
            "unexpected \")\" at column 2; remove it, or open a parenthesis before it",
        );
        check(
            "a b",
            "unexpected \"b\" at column 3; join conditions with and or or; put text with spaces in quotes",
        );
        check(
            "1 < cpu_pct",
            "unknown field \"1\" at column 1; write the field before the comparison and the value behind it",
        );
        check(
            "cpu_pct > 1 < 5",
            "unexpected \"<\" at column 13; compare one field with one value, such as cpu_pct > 5",
        );
        check(
            "'comm' == x",
            "unexpected \"'comm'\" at column 1; write the name of a field before the comparison, without quotes",
        );
        check(
            "core_dumped",
            "field \"core_dumped\" without a comparison at column 1; compare it with a value, or put it in quotes to search for the text",
        );
        check(
            "comm == \"a\nb",
            "unended text \"a\\nb\" at column 9; end it with \"",
        );
        check(
            r#"comm == "\d+""#,
            r#"unknown escape "\d" at column 10; write \\ for a backslash, or one of \" \' \n \r \t \x1b \u{1f980}"#,
        );
    }

    #[test]
    fn nesting_ends_before_the_stack_does() {
        let check = |text: &str, expected: bool| {
            let parsed = Filter::parse(text);
            assert_eq!(parsed.is_ok(), expected);
            if let Err(error) = parsed {
                assert!(error.to_string().contains("nests too deep"), "{error}");
            }
        };
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        check(&nested(DEEPEST), true);
        check(&nested(DEEPEST + 1), false);
        check(&nested(1_000_000), false);
        check(&format!("{}a", "not ".repeat(DEEPEST)), true);
        check(&"!".repeat(1_000_000), false);
        // Length alone is no depth.
        check(&format!("a{}", " and a or a".repeat(10_000)), true);
        check(&format!("a{}", " and (not a)".repeat(1_000)), true);
    }
}
