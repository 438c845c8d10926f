//! An SQL expression that somebody wrote, before it becomes part of a question of ours: it must be one expression, ask
//! nothing further, and end where it ends.

use std::ops::ControlFlow;

use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::sqlparser::ast::{Expr, Function, visit_expressions};

use crate::QueryError;
use crate::session::UNBOUNDED;

/// Reads one expression and writes it in one way, without comments, so that it can stand in brackets in a question.
///
/// # Errors
/// [`QueryError::Sql`] when it is not one expression, or has a question, a window or a parameter in it.
pub fn expression(text: &str) -> Result<String, QueryError> {
    let unreadable = |error| QueryError::from_engine(error, 0);
    let parsed =
        DFParserBuilder::new(text).build().and_then(|mut parser| parser.parse_into_expr()).map_err(unreadable)?;
    if parsed.alias.is_some() {
        return Err(QueryError::Sql("an expression of a rule has no name: leave out `as`".into()));
    }
    let found = visit_expressions(&parsed.expr, |expr| match forbidden(expr) {
        Some(what) => ControlFlow::Break(what),
        None => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(what) => Err(QueryError::Sql(format!("an expression of a rule has no {what}"))),
        ControlFlow::Continue(()) => Ok(parsed.expr.to_string()),
    }
}

fn forbidden(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => Some("question inside".to_owned()),
        Expr::Function(Function { over: Some(_), .. }) => Some("window".to_owned()),
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            UNBOUNDED.contains(&name.as_str()).then(|| format!("function `{name}`"))
        }
        Expr::Value(value) if value.to_string().starts_with(['$', '?']) => Some("parameter".to_owned()),
        _ => None,
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
            "a > $1",
            "delete from rows",
        ];
        for text in wrong {
            expression(text).expect_err(text);
        }
    }
}
