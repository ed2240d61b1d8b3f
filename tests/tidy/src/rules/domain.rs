//! What a domain may not touch.

use crate::{
    Finding,
    code_text::{code_of, has_word},
    workspace::Source,
};

/// Why: a decision is a function of what it is given. So two years of expiry run in a test in milliseconds, a replay gives
/// the same result, and the same code simulates a program before it is applied.
pub fn impure(source: &Source) -> Vec<Finding> {
    const FORBIDDEN: [&str; 13] = [
        "sqlx",
        "async_nats",
        "tokio",
        "futures_util",
        "async fn",
        ".await",
        "Utc::now",
        "Local::now",
        "SystemTime",
        "rand::",
        "std::env",
        "tracing",
        "Uuid::now_v7",
    ];
    let code = code_of(&source.text);
    let lines = code.lines().enumerate();
    lines
        .flat_map(|(index, line)| {
            let words = FORBIDDEN.into_iter().filter(|word| has_word(line, word));
            words.map(move |word| Finding::new(&source.path, index + 1, format!("`{word}` in a domain")))
        })
        .collect()
}

/// Whether a file belongs to a service's domain.
pub fn is_domain(path: &str) -> bool {
    path.starts_with("services/") && (path.contains("/src/domain/") || path.ends_with("/src/domain.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_impure_is_found() {
        let bad = [
            "use sqlx::PgPool;",
            "use async_nats::Client;",
            "tokio::spawn(x);",
            "pub async fn decide() {}",
            "load().await?",
            "let now = Utc::now();",
            "rand::rng()",
            "std::env::var(\"X\")",
            "tracing::info!(\"x\")",
            "use std::time::SystemTime;",
            "let id = Uuid::now_v7();",
        ];
        for text in bad {
            let found = impure(&Source::sample("services/points/src/domain/x.rs", &format!("//! Pure.\n{text}\n")));
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].line, 2);
        }
        let good = "//! No sqlx, no tokio, no clock.\nlet strand = operand::tracing_of(\"sqlx\"); // .await\n";
        assert_eq!(impure(&Source::sample("services/points/src/domain/x.rs", good)), []);
        assert!(is_domain("services/points/src/domain/account.rs") && is_domain("services/tier/src/domain.rs"));
        assert!(!is_domain("services/points/src/store/domain_rows.rs") && !is_domain("shared/runtime/src/domain.rs"));
    }
}
