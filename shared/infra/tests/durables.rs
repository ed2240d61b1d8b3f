//! The table of rights knows every durable consumer: one that it does not know could be emptied by anybody on the machine.

use std::fs;
use std::path::Path;

use jifen_infra::rights::SERVICES;

/// The durables that a service's `inbound.rs` names: the first text behind each `.reads…(`.
fn named_in(source: &str) -> Vec<&str> {
    let calls = source.split(".reads").skip(1);
    calls.filter_map(|rest| rest.split_once("(\"")?.1.split_once('"').map(|(name, _)| name)).collect()
}

#[test]
fn every_durable_of_a_service_stands_in_the_table() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services");
    let mut compared = 0;
    for service in SERVICES {
        let Ok(source) = fs::read_to_string(services.join(service.name).join("src/inbound.rs")) else { continue };
        for durable in named_in(&source) {
            assert!(
                service.durables.contains(&durable),
                "add \"{durable}\" to the durables of `{}` in shared/infra/src/rights.rs",
                service.name
            );
            compared += 1;
        }
    }
    assert!(compared > 0, "no inbound.rs was found in {}", services.display());
}

#[test]
fn names_are_found_in_either_form() {
    let source = r#"service.reads("a", &["pos.v1.>"], X).reads_event::<Y, _>("b", Z).answers(W)"#;
    assert_eq!(named_in(source), ["a", "b"]);
}
