//! What a statement asks for, before it is planned: it must be one question, about tables that exist.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::Statement as Sql;

use crate::QueryError;
use crate::tables;

/// Reads one SELECT, of whatever tables.
pub(crate) fn parse_select(sql: &str) -> Result<Statement, QueryError> {
    let statement = read(sql)?;
    match &statement {
        Statement::Statement(inner) if matches!(inner.as_ref(), Sql::Query(_)) => Ok(statement),
        other => Err(refuse(&other.to_string())),
    }
}

/// Reads one read-only statement.
pub(crate) fn parse(sql: &str) -> Result<Statement, QueryError> {
    let statement = read(sql)?;
    must_ask(&statement)?;
    if !shows(&statement) {
        for name in names(&statement)? {
            if tables::find(&name).is_none() {
                return Err(QueryError::NoTable(name));
            }
        }
    }
    Ok(statement)
}

/// Whether it lists tables or columns, which the engine answers from a schema of its own.
fn shows(statement: &Statement) -> bool {
    let Statement::Statement(sql) = statement else { return false };
    matches!(sql.as_ref(), Sql::ShowTables { .. } | Sql::ShowColumns { .. })
}

/// The tables that a query reads, sorted, each once. Empty when it cannot be read at all: running it tells why.
#[must_use]
pub fn needed_tables(sql: &str) -> Vec<String> {
    read(sql).and_then(|statement| names(&statement)).unwrap_or_default()
}

/// The tables that another is a query over; none when it is none.
#[must_use]
pub fn tables_under(table: &str) -> Vec<String> {
    let view = tables::VIEWS.iter().find(|(name, _)| *name == table);
    view.map(|(_, query)| needed_tables(&query())).unwrap_or_default()
}

fn read(sql: &str) -> Result<Statement, QueryError> {
    let unreadable = |error| QueryError::from_engine(error, 0);
    let mut statements =
        DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements()).map_err(unreadable)?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(QueryError::Sql("there is no statement: write a SELECT".into())),
        (Some(_), false) => Err(QueryError::Sql("there is more than one statement: send them one by one".into())),
    }
}

/// Refuses whatever is not a question. A list of what is allowed, so that what a newer engine adds is refused too.
fn must_ask(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(sql) => match sql.as_ref() {
            Sql::Query(_) | Sql::ExplainTable { .. } | Sql::ShowTables { .. } | Sql::ShowColumns { .. } => Ok(()),
            Sql::Explain { statement, .. } if matches!(statement.as_ref(), Sql::Query(_)) => Ok(()),
            other => Err(refuse(&other.to_string())),
        },
        Statement::Explain(explain) => match explain.statement.as_ref() {
            Statement::Statement(sql) if matches!(sql.as_ref(), Sql::Query(_)) => Ok(()),
            other => Err(refuse(&other.to_string())),
        },
        other => Err(refuse(&other.to_string())),
    }
}

/// Refuses casts to types of a fixed size: they ask for memory by a number in the question, in one step that no limit on
/// memory or time can stop.
pub(crate) fn must_be_bounded(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut sized = false;
    let walked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                sized |= is_sized(part);
                Ok(if sized { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    });
    walked.map_err(|error| QueryError::from_engine(error, 0))?;
    match sized {
        true => Err(QueryError::Sql(
            "a cast is to a type that stands in the question, and to none of a fixed size: use `VARCHAR`, or a list without \
             a length"
                .into(),
        )),
        false => Ok(()),
    }
}

fn is_sized(expr: &Expr) -> bool {
    let named = |kind: &str| kind.contains("FixedSize");
    match expr {
        Expr::Cast(cast) => named(&cast.field.data_type().to_string()),
        Expr::TryCast(cast) => named(&cast.field.data_type().to_string()),
        // A type that is put together may be any.
        Expr::ScalarFunction(call) if matches!(call.name(), "arrow_cast" | "arrow_try_cast") => {
            match call.args.get(1) {
                Some(Expr::Literal(kind, _)) => kind.try_as_str().flatten().is_none_or(named),
                _ => true,
            }
        }
        _ => false,
    }
}

/// Names the statement by its first word, which cannot hold anything that should not be repeated.
fn refuse(sql: &str) -> QueryError {
    QueryError::NotReadOnly(sql.split_whitespace().next().unwrap_or_default().to_uppercase())
}

fn names(statement: &Statement) -> Result<Vec<String>, QueryError> {
    let (references, _) =
        resolve_table_references(statement, true).map_err(|error| QueryError::from_engine(error, 0))?;
    let mut names: Vec<String> = references.iter().map(|reference| reference.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
