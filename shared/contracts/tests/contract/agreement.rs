//! Reader and schema accept the same documents: whoever builds a POS from the schema alone gets no surprise.

use jifen_contracts::catalogue::{Family, catalogue};

use super::{
    corpus::{self, Case},
    validator,
};

struct Judges {
    message: jifen_contracts::catalogue::Message,
    schema: jsonschema::Validator,
}

impl Judges {
    fn new(kind: &str) -> Self {
        let message = catalogue().into_iter().find(|message| message.name == format!("document.{kind}")).expect("message");
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
    why.contains("document.duplicate_line")
        || why.contains("document.replaces_itself")
        || why.contains("the principal exceeds the line's amount")
}

#[test]
fn reader_and_schema_agree_on_the_corpus() {
    for kind in corpus::KINDS {
        agree(kind);
    }
}

fn agree(kind: &str) {
    let judges = Judges::new(kind);
    let cases = corpus::cases(kind);
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
    assert!(differ.is_empty(), "{kind}: {} of {} differ:\n{}", differ.len(), cases.len(), differ.join("\n"));
    assert!(good > 200 && bad > 500, "{kind}: a corpus of both kinds: {good} good, {bad} bad");
}

#[test]
fn every_reader_has_its_corpus() {
    let documents = catalogue().into_iter().filter(|message| message.family == Family::Document);
    let mut kinds: Vec<String> = documents.map(|message| message.name.trim_start_matches("document.").to_owned()).collect();
    kinds.sort();
    let mut known = corpus::KINDS.to_vec();
    known.sort_unstable();
    assert_eq!(kinds, known);
}

#[test]
fn what_a_schema_cannot_say_is_known_by_name() {
    let judges = Judges::new("invoice");
    for (reason, case) in corpus::beyond_a_schema() {
        let (reader, schema) = judges.judge(&case);
        assert!(reader.is_err(), "{}: the reader accepts it; take it off the list", case.what);
        assert!(schema, "{}: the schema refuses it, too, although {reason}; take it off the list", case.what);
    }
}
