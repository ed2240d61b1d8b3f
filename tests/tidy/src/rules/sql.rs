//! Where SQL stands.

use crate::{
    Finding,
    code_text::{code_of, has_word},
    workspace::Source,
};

/// Why: who reviews a query, an index or a lock order must find all SQL of a service in one folder; a handler that queries
/// by the way breaks the constant number of statements a batch.
pub fn outside_the_store(source: &Source) -> Vec<Finding> {
    const SQL: [&str; 9] = [
        "query!",
        "query_as!",
        "query_scalar!",
        "query_file!",
        "sqlx::query",
        "sqlx::query_as",
        "sqlx::query_scalar",
        "sqlx::raw_sql",
        "QueryBuilder",
    ];
    let code = code_of(&source.text);
    let lines = code.lines().enumerate();
    let hits = lines.filter(|(_, line)| SQL.iter().any(|word| has_word(line, word)));
    hits.map(|(index, _)| Finding::new(&source.path, index + 1, "SQL outside of store/")).collect()
}

/// Whether a file of a service may hold SQL.
pub fn is_store(path: &str) -> bool {
    path.contains("/src/store/") || path.ends_with("/src/store.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_anywhere_else_is_found() {
        for bad in [
            "sqlx::query!(\"select 1\")",
            "query_as!(Row, \"select 1\")",
            "sqlx::query(\"x\")",
            "sqlx::query_scalar::<_, i64>(\"x\")",
            "sqlx::raw_sql(text)",
        ] {
            let found = outside_the_store(&Source::sample("services/points/src/handlers/x.rs", bad));
            assert_eq!(found, [Finding::new("services/points/src/handlers/x.rs", 1, "SQL outside of store/")], "{bad}");
        }
        let good = "// sqlx::query!\nimpl Query for Account {} fn f(tx: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {}";
        assert_eq!(outside_the_store(&Source::sample("services/points/src/handlers/x.rs", good)), []);
        assert!(is_store("services/points/src/store/entries.rs") && !is_store("services/points/src/handlers/store_close.rs"));
    }
}
