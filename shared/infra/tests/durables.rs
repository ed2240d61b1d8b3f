//! The table of rights knows every durable consumer: one that it does not know could be emptied by anybody on the machine, and
//! what it had not read could be purged.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jifen_contracts::subject::{STREAM_EVENTS, stream_of};
use jifen_infra::rights::SERVICES;

/// The durables that a service's `inbound.rs` names, with their streams: the first text behind each `.reads…(`, and the
/// stream of the second one where a filter is written out.
fn named_in(source: &str) -> BTreeSet<(&str, &str)> {
    let call = |rest| {
        let (kind, rest): (&str, &str) = str::split_once(rest, "(\"")?;
        let (name, rest) = rest.split_once('"')?;
        // Filters that aren't written out are made from types of events.
        let filter = rest.strip_prefix(", &[\"").and_then(|rest| rest.split('"').next());
        let stream = filter.filter(|_| !kind.starts_with("_event")).map_or(Some(STREAM_EVENTS), stream_of)?;
        Some((stream, name))
    };
    source.split(".reads").skip(1).filter_map(call).collect()
}

#[test]
fn the_table_names_the_durables_of_the_services_and_no_others() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services");
    let mut compared = 0;
    for service in SERVICES {
        let Ok(source) = fs::read_to_string(services.join(service.name).join("src/inbound.rs")) else {
            assert_eq!(service.durables, [], "{} reads nothing", service.name);
            continue;
        };
        let declared: BTreeSet<_> = service.durables.iter().copied().collect();
        assert_eq!(declared, named_in(&source), "the durables of `{}` in shared/infra/src/rights.rs", service.name);
        compared += declared.len();
    }
    assert!(compared > 0, "no inbound.rs was found in {}", services.display());
}

#[test]
fn names_are_found_in_either_form() {
    let source = r#"service.reads("a", &["pos.v1.>"], X).reads_event::<Y, _>("b", Z).reads("c", &Y::filters(), X).answers(W)"#;
    assert_eq!(named_in(source), BTreeSet::from([("POS", "a"), (STREAM_EVENTS, "b"), (STREAM_EVENTS, "c")]));
}
