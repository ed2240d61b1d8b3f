//! Reader and schema accept the same invoices: whoever builds a POS from the schema alone gets no surprise.

use jifen_contracts::catalogue::catalogue;

use super::{
    corpus::{self, Case},
    validator,
};

struct Judges {
    message: jifen_contracts::catalogue::Message,
    schema: jsonschema::Validator,
}

impl Judges {
    fn new() -> Self {
        let message = catalogue().into_iter().find(|message| message.name == "document.invoice").expect("message");
        let schema = validator(&message.schema());
        Self { message, schema }
    }

    /// What the reader says, what the schema says.
    fn judge(&self, case: &Case) -> (Result<(), String>, bool) {
        let value = serde_json::from_str(&case.text).expect("the corpus is JSON");
        (self.message.decode(case.text.as_bytes()).map(|_| ()), self.schema.is_valid(&value))
    }
}

/// Refusals of the reader that compare two places of a document: no schema can.
fn compares(why: &str) -> bool {
    why.contains("document.duplicate_line") || why.contains("the principal exceeds the line's amount")
}

#[test]
fn reader_and_schema_agree_on_the_corpus() {
    let judges = Judges::new();
    let cases = corpus::cases();
    let (mut good, mut bad, mut differ) = (0, 0, Vec::new());
    for case in &cases {
        match judges.judge(case) {
            (Ok(()), true) => good += 1,
            (Err(_), false) => bad += 1,
            (Ok(()), false) => differ.push(format!("only the reader accepts: {}", case.what)),
            (Err(why), true) if compares(&why) => {}
            (Err(why), true) => differ.push(format!("only the schema accepts: {} ({why})", case.what)),
        }
    }
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), cases.len(), differ.join("\n"));
    assert!(good > 500 && bad > 1000, "a corpus of both kinds: {good} good, {bad} bad");
}

#[test]
fn what_a_schema_cannot_say_is_known_by_name() {
    let judges = Judges::new();
    for (reason, case) in corpus::beyond_a_schema() {
        let (reader, schema) = judges.judge(&case);
        assert!(reader.is_err(), "{}: the reader accepts it; take it off the list", case.what);
        assert!(schema, "{}: the schema refuses it, too, although {reason}; take it off the list", case.what);
    }
}
