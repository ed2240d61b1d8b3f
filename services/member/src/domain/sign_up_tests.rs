//! Given who holds which number, when messages come, then.

use super::*;

fn at(sequence: u64) -> Arrival {
    Arrival::new(sequence, "2026-10-01T02:00:00Z".parse().expect("instant"))
}

fn says(number: &str, content: u8) -> Identity {
    let number = Number { store: "SH01".to_owned(), number: number.to_owned() };
    Identity { number, content_hash: [content; 32] }
}

fn codes(fates: Vec<Fate>) -> Vec<&'static str> {
    let word = |fate| match fate {
        Fate::New => "new",
        Fate::Duplicate => "duplicate",
        Fate::Rejected(fault) => fault.code.code,
        Fate::Redelivered => "redelivered",
    };
    fates.into_iter().map(word).collect()
}

#[test]
fn a_number_is_claimed_once_and_says_one_thing() {
    let bad = Err(Fault::new(code::DOCUMENT_UNDECODABLE));
    let messages = [
        (Ok(says("S1", 1)), at(1)),
        (Ok(says("S1", 1)), at(2)),
        (Ok(says("S1", 2)), at(3)),
        (bad.clone(), at(4)),
        (Ok(says("S2", 1)), at(5)),
    ];
    let expected = ["new", "duplicate", "document.conflict", "document.undecodable", "new"];
    assert_eq!(codes(decide_fates(&messages, &HashMap::new(), &HashSet::new())), expected);
    // All of them again: nothing is said twice.
    let holder = |content: u8, sequence| Holder { content_hash: [content; 32], arrival: at(sequence) };
    let number = |text: &str| Number { store: "SH01".to_owned(), number: text.to_owned() };
    let holders = HashMap::from([(number("S1"), holder(1, 1)), (number("S2"), holder(1, 5))]);
    let settled = HashSet::from([at(2), at(3), at(4)]);
    assert_eq!(codes(decide_fates(&messages, &holders, &settled)), ["redelivered"; 5]);
    assert_eq!(
        codes(decide_fates(&[(Ok(says("S2", 1)), at(6)), (Ok(says("S2", 1)), at(6))], &holders, &settled)),
        ["duplicate", "redelivered"]
    );
}

#[test]
fn whatever_is_wrong_is_named_with_its_place() {
    let good = serde_json::json!({
        "store": "SH01", "sign_up_no": "S1", "at": "2026-10-01T10:00:00+08:00", "name": "王小明", "phone": "13800138000",
    });
    let received = Received::read("pos.v1.SH01.sign_up", good.to_string().as_bytes());
    assert!(received.content.is_ok_and(|sign_up| !sign_up.store_confirmed));
    assert_eq!(received.number.as_deref(), Some("S1"));
    let fault = |subject: &str, bytes: &[u8]| {
        let received = Received::read(subject, bytes);
        let fault = received.content.expect_err("refused");
        (received.number, fault.code.code, fault.pointer)
    };
    let expected = (Some("S1".to_owned()), "document.store_mismatch", Some("/store".to_owned()));
    assert_eq!(fault("pos.v1.SH02.sign_up", good.to_string().as_bytes()), expected);
    assert_eq!(fault("pos.v1.SH01.sign_up", b"\xff{"), (None, "document.undecodable", None));
    let mut bad = good.clone();
    bad["phone"] = "12345".into();
    let (number, _, pointer) = fault("pos.v1.SH01.sign_up", bad.to_string().as_bytes());
    assert_eq!((number.as_deref(), pointer.as_deref()), (Some("S1"), Some("/phone")), "its number is told to the store");
    assert_eq!(Received::read("pos.v1.nowhere.sign_up", b"{}").store, None);
}
