//! The contract held against itself: generated files, examples, and the corpus on which reader and schema must agree.

mod agreement;
mod corpus;
mod examples;
mod generated;

use std::path::PathBuf;

/// Where the generated files stand.
fn schemas() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// Judges by a schema as any other implementation would: formats say nothing, as the standard has it.
fn validator(schema: &serde_json::Value) -> jsonschema::Validator {
    jsonschema::draft202012::new(schema).expect("a schema")
}
