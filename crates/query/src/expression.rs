//! An SQL expression that somebody wrote, before it becomes part of a question of ours: it must be one expression, ask
//! nothing further, and end where it ends. Nor may it make texts that are much longer than what it is given: that is done in
//! one step, which no limit on memory or time stops.

use std::ops::ControlFlow;

use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, visit_expressions,
};

use crate::QueryError;
use crate::session::UNBOUNDED;

/// How many times as long as what it is given an expression may make a text: a cell may have megabytes.
const MAX_GROWTH: usize = 16;

/// What no rule needs, and no limit holds: it gathers all rows in one value, asks for memory by a number in a text, or takes
/// time by the product of two lengths.
const UNHELD: [&str; 7] =
    ["string_agg", "array_agg", "arrow_cast", "arrow_try_cast", "cast_to_type", "try_cast_to_type", "levenshtein"];

/// What makes lists, beside what begins with `array_` and `list_`.
const OF_LISTS: [&str; 6] =
    ["make_array", "make_list", "generate_series", "range", "string_to_array", "string_to_list"];

/// Reads one expression and writes it in one way, without comments, so that it can stand in brackets in a question.
///
/// # Errors
/// [`QueryError::Sql`] when it is not one expression, has a question, a window, a parameter, or a function that nothing
/// bounds in it, or makes texts too long.
pub fn expression(text: &str) -> Result<String, QueryError> {
    let unreadable = |error| QueryError::from_engine(error, 0);
    let parsed =
        DFParserBuilder::new(text).build().and_then(|mut parser| parser.parse_into_expr()).map_err(unreadable)?;
    if parsed.alias.is_some() {
        return Err(QueryError::Sql("an expression of a rule has no name: leave out `as`".into()));
    }
    let (mut parts, mut times) = (1_usize, 1_usize);
    let found = visit_expressions(&parsed.expr, |expr| {
        if let Some(what) = forbidden(expr) {
            return ControlFlow::Break(format!("an expression of a rule has no {what}"));
        }
        match growth(expr) {
            Ok((joined, grown)) => {
                (parts, times) = (parts.saturating_add(joined), times.saturating_mul(grown));
                ControlFlow::Continue(())
            }
            Err(why) => ControlFlow::Break(why),
        }
    });
    if let ControlFlow::Break(why) = found {
        return Err(QueryError::Sql(why));
    }
    let most = parts.saturating_mul(times);
    if most > MAX_GROWTH {
        return Err(QueryError::Sql(format!(
            "an expression of a rule may make texts {MAX_GROWTH} times as long as they are at most, and this one makes them \
             {most} times as long: join fewer (`||`, `concat`), or put shorter ones in (`replace`, `regexp_replace`, `encode`)"
        )));
    }
    Ok(parsed.expr.to_string())
}

fn forbidden(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => Some("question inside".to_owned()),
        Expr::Function(Function { over: Some(_), .. }) => Some("window".to_owned()),
        Expr::Function(function) => {
            let name = name_of(&function.name);
            let of_lists = name.starts_with("array_") || name.starts_with("list_") || OF_LISTS.contains(&name.as_str());
            let refused = UNBOUNDED.contains(&name.as_str()) || UNHELD.contains(&name.as_str()) || of_lists;
            refused.then(|| format!("function `{name}`"))
        }
        Expr::Array(_) => Some("list".to_owned()),
        Expr::Value(value) if value.to_string().starts_with(['$', '?']) => Some("parameter".to_owned()),
        _ => None,
    }
}

/// A function's name as it is looked up, whether it is quoted or not.
fn name_of(name: &ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map(|ident| ident.value.to_lowercase()).unwrap_or_default()
}

/// How many parts an expression joins to one, and how many times as long as it is it makes a text: what is nested
/// multiplies.
fn growth(expr: &Expr) -> Result<(usize, usize), String> {
    let function = match expr {
        Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } | Expr::Overlay { .. } => return Ok((1, 1)),
        Expr::Function(function) => function,
        _ => return Ok((0, 1)),
    };
    let FunctionArguments::List(list) = &function.args else { return Ok((0, 1)) };
    let literal = |at: usize| match list.args.get(at) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) => value.clone().into_string(),
        _ => None,
    };
    let name = name_of(&function.name);
    let put_in = || {
        literal(2).map(|text| text.len()).ok_or_else(|| {
            format!("what `{name}` puts in is a text that stands in the rule, in single quotes: that bounds how long it gets")
        })
    };
    match name.as_str() {
        "concat" => Ok((list.args.len().saturating_sub(1), 1)),
        // With what stands between.
        "concat_ws" => Ok((list.args.len().saturating_mul(2), 1)),
        "encode" => Ok((0, 2)),
        "overlay" => Ok((1, 1)),
        "replace" => {
            let (out, into) = (literal(1).map_or(1, |text| text.len().max(1)), put_in()?);
            Ok((0, into.div_ceil(out).max(1)))
        }
        // A pattern may match between any two characters.
        "regexp_replace" => Ok((0, put_in()?.saturating_add(1))),
        _ => Ok((0, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_one_expression_when_read_then_it_is_written_in_one_way() {
        assert_eq!(expression("a>0 -- more than nothing\n").expect("one"), "a > 0");
        assert_eq!(expression("\"A b\" in ('x', 'it''s')").expect("one"), "\"A b\" IN ('x', 'it''s')");
        assert_eq!(expression("count(*) between 1 and 2").expect("one"), "count(*) BETWEEN 1 AND 2");
    }

    #[test]
    fn given_more_than_one_expression_when_read_then_it_is_refused() {
        let wrong = [
            "",
            "a > 0; drop table rows",
            "a > 0) from rows --",
            "a > 0, b",
            "a > 0 as c",
            "a in (select 1)",
            "(select count(*) from rows) > 1",
            "exists (select 1)",
            "row_number() over () > 1",
            "length(repeat('x', 100000)) > 1",
            "length(\"repeat\"('x', 100000)) > 1",
            "length(string_agg(a, ',')) > 1",
            "array_agg(a) is not null",
            "array_length(array_repeat(a, 1000000)) > 1",
            "[a, b] is not null",
            "arrow_cast(a, 'FixedSizeBinary(2000000000)') is not null",
            "levenshtein(a, b) < 3",
            "a > $1",
            "delete from rows",
        ];
        for text in wrong {
            expression(text).expect_err(text);
        }
    }

    #[test]
    fn given_an_expression_that_makes_long_texts_when_read_then_it_is_refused_by_what_makes_them_long() {
        for text in [
            "replace(replace(phone, ' ', ''), '-', '') = other",
            "replace(amount, ',', '.') > '1'",
            "regexp_replace(phone, '[^0-9]', '', 'g') <> ''",
            "concat(a, '-', b, '-', c) = d || '-' || e",
            "encode(sha256(a), 'hex') = b",
            "overlay(a placing 'x' from 1) = b",
        ] {
            expression(text).expect(text);
        }
        let nested = |make: &dyn Fn(String) -> String| (0..8).fold("a".to_owned(), |text, _| make(text));
        for (text, why) in [
            (nested(&|text| format!("replace({text}, 'a', 'aaaaaaaaaa')")), "times as long"),
            (nested(&|text| format!("regexp_replace({text}, '', '$0$0', 'g')")), "times as long"),
            (nested(&|text| format!("encode({text}, 'hex')")), "times as long"),
            (format!("replace(a, 'a', '{}') = b", "a".repeat(17)), "17 times as long"),
            (format!("a{} = b", " || a".repeat(16)), "17 times as long"),
            (format!("CONCAT(a{}) = b", ", a".repeat(16)), "17 times as long"),
            ("replace(a, 'a', b) = c".to_owned(), "`replace` puts in"),
            ("\"replace\"(a, 'a', b || b) = c".to_owned(), "`replace` puts in"),
            ("regexp_replace(a, '', b, 'g') = c".to_owned(), "`regexp_replace` puts in"),
        ] {
            let refused = expression(&text).expect_err(&text).to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
