//! The reader of documents against the judge, many at a time: never a panic, an accepted invalid or a rejected valid.

use jifen_contracts::catalogue::{Message, catalogue};
use jifen_input::{Dice, Judge, good, seeds, spoil};

/// A round costs some milliseconds in a debug build, most of them the judge's.
const ROUNDS: u64 = 400;

fn message_of(kind: &str) -> Message {
    catalogue().into_iter().find(|message| message.name == format!("document.{kind}")).expect("message")
}

/// Rounds of a kind: the bill, which has most to it, gets most.
fn rounds(kind: &str) -> u64 {
    if kind == "invoice" { ROUNDS } else { ROUNDS / 4 }
}

#[test]
fn what_nobody_can_object_to_is_read() {
    for kind in good::KINDS {
        let (reader, judge) = (message_of(kind), Judge::of_document(&message_of(kind)));
        for seed in seeds(rounds(kind)) {
            let mut dice = Dice::new(seed);
            let message = good::message(&mut dice, kind, "R1");
            let text = good::spell(&mut dice, &message);
            assert!(text.len() <= 256 * 1024, "SEED={seed}: too large to be good");
            let read = reader.decode(text.as_bytes());
            assert!(read.is_ok(), "SEED={seed}: a good {kind} is refused: {read:?}\n{message:#}");
            judge
                .document(text.as_bytes())
                .unwrap_or_else(|why| panic!("SEED={seed}: the judge refuses a good {kind}: {why}\n{message:#}"));
            // However it is spelled, its content is one: else its copy would be a conflict.
            assert_eq!(read, reader.decode(message.to_string().as_bytes()), "SEED={seed}");
        }
    }
}

#[test]
fn what_is_spoilt_is_read_or_refused_as_the_judge_says() {
    for kind in good::KINDS {
        let (reader, judge) = (message_of(kind), Judge::of_document(&message_of(kind)));
        let (mut taken, mut refused, mut all) = (0, 0, 0);
        for seed in seeds(rounds(kind) * 3) {
            let mut dice = Dice::new(seed);
            let message = good::message(&mut dice, kind, "R1");
            let bytes = spoil::message(&mut dice, &message);
            let show = || String::from_utf8_lossy(&bytes[..bytes.len().min(3_000)]).into_owned();
            match (reader.decode(&bytes), judge.document(&bytes)) {
                (Ok(_), Ok(_)) => taken += 1,
                (Err(_), Err(_)) => refused += 1,
                (Ok(_), Err(why)) => panic!("SEED={seed}: an invalid {kind} is accepted: {why}\n{}", show()),
                (Err(why), Ok(_)) => panic!("SEED={seed}: a valid {kind} is refused: {why}\n{}", show()),
            }
            all += 1;
        }
        assert!(taken * 10 > all && refused * 3 > all, "{kind}, both ways: {taken} taken, {refused} refused");
    }
}
