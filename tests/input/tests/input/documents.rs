//! The reader of documents against the judge, many at a time: never a panic, an accepted invalid or a rejected valid.

use jifen_contracts::catalogue::{Message, catalogue};
use jifen_input::{Dice, Judge, good, seeds, spoil};

/// A round costs some milliseconds in a debug build, most of them the judge's.
const ROUNDS: u64 = 400;

fn invoice() -> Message {
    catalogue().into_iter().find(|message| message.name == "document.invoice").expect("message")
}

#[test]
fn what_nobody_can_object_to_is_read() {
    let (reader, judge) = (invoice(), Judge::of_document(&invoice()));
    for seed in seeds(ROUNDS) {
        let mut dice = Dice::new(seed);
        let message = good::message(&mut dice, "R1");
        let text = good::spell(&mut dice, &message);
        assert!(text.len() <= 256 * 1024, "SEED={seed}: too large to be good");
        let read = reader.decode(text.as_bytes());
        assert!(read.is_ok(), "SEED={seed}: a good bill is refused: {read:?}\n{message:#}");
        judge.invoice(text.as_bytes()).unwrap_or_else(|why| panic!("SEED={seed}: the judge refuses a good bill: {why}\n{message:#}"));
        // However it is spelled, its content is one: else its copy would be a conflict.
        assert_eq!(read, reader.decode(message.to_string().as_bytes()), "SEED={seed}");
    }
}

#[test]
fn what_is_spoilt_is_read_or_refused_as_the_judge_says() {
    let (reader, judge) = (invoice(), Judge::of_document(&invoice()));
    let (mut taken, mut refused, mut all) = (0, 0, 0);
    for seed in seeds(ROUNDS * 3) {
        let mut dice = Dice::new(seed);
        let message = good::message(&mut dice, "R1");
        let bytes = spoil::message(&mut dice, &message);
        let show = || String::from_utf8_lossy(&bytes[..bytes.len().min(3_000)]).into_owned();
        match (reader.decode(&bytes), judge.invoice(&bytes)) {
            (Ok(_), Ok(_)) => taken += 1,
            (Err(_), Err(_)) => refused += 1,
            (Ok(_), Err(why)) => panic!("SEED={seed}: an invalid document is accepted: {why}\n{}", show()),
            (Err(why), Ok(_)) => panic!("SEED={seed}: a valid document is refused: {why}\n{}", show()),
        }
        all += 1;
    }
    assert!(taken * 10 > all && refused * 3 > all, "both kinds: {taken} taken, {refused} refused");
}
