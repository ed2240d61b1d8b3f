//! Batches folded against a small world that keeps what the store keeps.

use proptest::prelude::*;

use super::*;

fn identity(number: &str, content: u8) -> Identity {
    Identity {
        key: DocumentKey { store: "SH01".to_owned(), kind: "invoice".to_owned(), number: number.to_owned() },
        content_hash: [content; 32],
    }
}

fn sound(number: &str, content: u8) -> Verdict {
    let stamp = Stamp { version: 1, business_date: "2026-10-01".parse().expect("date"), zone: chrono_tz::Asia::Shanghai };
    Verdict::Sound(identity(number, content), stamp)
}

fn refused(number: &str, content: u8) -> Verdict {
    Verdict::Refused(identity(number, content), Fault::new(code::DOCUMENT_UNKNOWN_CATEGORY))
}

fn arrival(sequence: u64) -> Arrival {
    Arrival::new(sequence, "2026-10-01T00:00:00.123456789Z".parse().expect("instant"))
}

/// The database as far as documents go: folds batches like the store does.
#[derive(Default)]
struct World {
    documents: HashMap<DocumentKey, Holder>,
    settled: HashSet<Arrival>,
}

impl World {
    fn batch(&mut self, messages: &[(u64, Verdict)]) -> Vec<&'static str> {
        let cases: Vec<Case<'_>> =
            messages.iter().map(|(sequence, verdict)| Case { verdict, arrival: arrival(*sequence), resubmitted: false }).collect();
        let claimants = decide_claimants(&cases, &self.settled);
        let key = |place: usize| match cases[place].verdict {
            Verdict::Sound(identity, _) => identity.clone(),
            _ => unreachable!("only sound ones claim"),
        };
        let claimed: HashSet<usize> = claimants.into_iter().filter(|place| !self.documents.contains_key(&key(*place).key)).collect();
        let fates = decide_fates(&cases, &claimed, &self.documents, &self.settled);
        for (case, fate) in cases.iter().zip(&fates) {
            if matches!(fate, Fate::Duplicate | Fate::Rejected(_)) {
                self.settled.insert(case.arrival);
            }
        }
        for place in claimed {
            self.documents.insert(key(place).key, Holder { content_hash: key(place).content_hash, arrival: cases[place].arrival });
        }
        fates.into_iter().map(word).collect()
    }
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Claimed => "claimed",
        Fate::Duplicate => "duplicate",
        Fate::Redelivered => "redelivered",
        Fate::Rejected(fault) => fault.code.code,
    }
}

#[test]
fn one_batch_folds_in_stream_order() {
    let mut world = World::default();
    let fates = world.batch(&[
        (1, refused("R1", 9)),
        (2, sound("R1", 1)),
        (3, sound("R1", 1)),
        (4, sound("R1", 2)),
        (5, sound("R2", 1)),
        (6, Verdict::Unreadable(Fault::new(code::DOCUMENT_UNDECODABLE))),
        (5, sound("R2", 1)),
    ]);
    let expected =
        ["document.unknown_category", "claimed", "duplicate", "document.conflict", "claimed", "document.undecodable", "redelivered"];
    assert_eq!(fates, expected);
}

#[test]
fn later_batches_meet_what_stands_and_redelivery_says_nothing_twice() {
    let mut world = World::default();
    let first = [(1, sound("R1", 1)), (2, sound("R1", 1)), (3, sound("R1", 2)), (4, refused("R9", 1))];
    assert_eq!(world.batch(&first), ["claimed", "duplicate", "document.conflict", "document.unknown_category"]);
    assert_eq!(world.batch(&first), ["redelivered"; 4]);
    assert_eq!(world.batch(&first[2..3]), ["redelivered"]);
    assert_eq!(world.batch(&[(5, sound("R1", 1)), (6, sound("R1", 3))]), ["duplicate", "document.conflict"]);
}

#[test]
fn what_was_accepted_stays_a_duplicate_when_the_rules_change() {
    let mut world = World::default();
    assert_eq!(world.batch(&[(1, sound("R1", 1))]), ["claimed"]);
    assert_eq!(
        world.batch(&[(1, refused("R1", 1)), (2, refused("R1", 1)), (3, refused("R1", 2))]),
        ["redelivered", "duplicate", "document.unknown_category"]
    );
}

#[test]
fn a_refused_message_that_is_delivered_again_under_mended_rules_keeps_its_fate() {
    let mut world = World::default();
    assert_eq!(world.batch(&[(1, refused("R1", 1))]), ["document.unknown_category"]);
    assert_eq!(world.batch(&[(1, sound("R1", 1))]), ["redelivered"]);
    // A new message with the same content collides with nothing.
    assert_eq!(world.batch(&[(2, sound("R1", 1))]), ["claimed"]);
}

#[test]
fn a_resubmitted_document_is_judged_anew() {
    let (verdict, settled) = (sound("R1", 1), HashSet::from([arrival(1)]));
    let cases = [Case { verdict: &verdict, arrival: arrival(1), resubmitted: true }];
    assert_eq!(decide_claimants(&cases, &settled), [0]);
    assert_eq!(decide_fates(&cases, &HashSet::from([0]), &HashMap::new(), &settled), [Fate::Claimed]);
    let holder = Holder { content_hash: [1; 32], arrival: arrival(1) };
    assert_eq!(decide_fates(&cases, &HashSet::new(), &[(identity("R1", 1).key, holder)].into(), &settled), [Fate::Duplicate]);
}

#[test]
fn a_stream_made_anew_has_other_arrivals() {
    assert_ne!(
        Arrival::new(1, "2026-10-01T00:00:00Z".parse().expect("instant")),
        Arrival::new(1, "2026-10-02T00:00:00Z".parse().expect("instant"))
    );
    assert_eq!(arrival(1).stored_at.timestamp_subsec_nanos(), 123_456_000);
}

proptest! {
    /// However a stream is cut into batches, each message has the same fate; and delivered again, in any company, none has another.
    #[test]
    fn the_cut_into_batches_decides_nothing(
        messages in prop::collection::vec((0_u8..4, 0_u8..3, 0_u8..8), 1..40),
        cut in 1_usize..10,
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream: Vec<(u64, Verdict)> = messages
            .iter()
            .enumerate()
            .map(|(place, (number, content, refusal))| {
                let verdict = if *refusal == 0 { refused(&number.to_string(), *content) } else { sound(&number.to_string(), *content) };
                (u64::try_from(place).expect("place"), verdict)
            })
            .collect();
        let (mut whole, mut parts) = (World::default(), World::default());
        let at_once = whole.batch(&stream);
        let cut_up: Vec<&str> = stream.chunks(cut).flat_map(|batch| parts.batch(batch)).collect();
        prop_assert_eq!(&at_once, &cut_up);
        let repeated: Vec<(u64, Verdict)> = again.iter().map(|index| index.get(&stream).clone()).collect();
        prop_assert!(parts.batch(&repeated).iter().all(|fate| *fate == "redelivered"));
        prop_assert_eq!(whole.documents, parts.documents);
    }
}
