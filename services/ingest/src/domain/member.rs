//! What a member's events come to: which keys the member has, and whether it is activated.
//!
//! An event's `sequence` orders the events about one member; what is known is replaced by a higher one only, the keys and the
//! state each on their own, since not every event carries both. Between two members the event that is later in time has a
//! key: the member service lets nobody have what another still has.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::MemberId;

use super::customer::Key;

/// What an event says about a member.
#[derive(Debug, Clone)]
pub struct News {
    /// Whom it is about.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Its place among the events about this member.
    pub sequence: i64,
    /// When it was so.
    pub at: DateTime<Utc>,
    /// The registration is not activated.
    pub awaiting_activation: bool,
    /// It says which keys the member has.
    pub keys: Option<KeyNews>,
}

/// All keys of a member.
#[derive(Debug, Clone)]
pub struct KeyNews {
    /// With the first day of ownership, if it is a vehicle's.
    pub keys: BTreeMap<Key, Option<NaiveDate>>,
    /// It is the registration itself.
    pub registration: bool,
}

/// What is known of a member. Sequences are negative before anything is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The keys it has.
    pub keys: BTreeSet<Key>,
    /// As of this event.
    pub keys_sequence: i64,
    /// The registration is not activated.
    pub awaiting_activation: bool,
    /// As of this event.
    pub status_sequence: i64,
}

impl Default for Known {
    fn default() -> Self {
        Self { keys: BTreeSet::new(), keys_sequence: -1, awaiting_activation: false, status_sequence: -1 }
    }
}

/// A key that a member has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// A vehicle's: since this day.
    pub owned_since: Option<NaiveDate>,
    /// The first event of these that says so.
    pub known_at: DateTime<Utc>,
    /// The last one.
    pub held_at: DateTime<Utc>,
}

/// A vehicle's key that a member had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerKey {
    /// The key.
    pub key: Key,
    /// Since this day.
    pub owned_since: NaiveDate,
    /// The event that says so.
    pub known_at: DateTime<Utc>,
    /// The first event that names it no more; if that isn't known, the last one that does.
    pub left_at: DateTime<Utc>,
}

/// What news change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The keys that the member has now, if an event said so that was not known.
    pub held: BTreeMap<Key, Held>,
    /// Those that it had, with the time of the first event that names them no more.
    pub lost: BTreeMap<Key, DateTime<Utc>>,
    /// Vehicles' keys that it had in between, or before: events say so that come together with, or behind, one that names them no
    /// more.
    pub former: Vec<FormerKey>,
    /// Whether it is activated is not as it was.
    pub status_changed: bool,
    /// Places of news that must come again: they are ahead of the registration.
    pub early: Vec<usize>,
}

/// What the news about one member change; `news` are given with their places in the batch. An update that is ahead of the
/// registration waits for it: since when a key is known decides what waits for that key still earns.
pub fn decide_news(known: &mut Known, news: &[(usize, &News)]) -> Change {
    let mut change = Change::default();
    let before = known.clone();
    let mut in_order = news.to_vec();
    in_order.sort_by_key(|(_, news)| news.sequence);
    for (place, news) in in_order {
        if news.sequence > known.status_sequence {
            (known.awaiting_activation, known.status_sequence) = (news.awaiting_activation, news.sequence);
        }
        let Some(said) = &news.keys else { continue };
        if known.keys_sequence < 0 && !said.registration {
            change.early.push(place);
        } else if news.sequence < known.keys_sequence {
            let gone = said.keys.iter().filter(|(key, _)| !known.keys.contains(key));
            change.former.extend(gone.filter_map(|(key, owned_since)| {
                Some(FormerKey { key: key.clone(), owned_since: (*owned_since)?, known_at: news.at, left_at: news.at })
            }));
        } else if news.sequence > known.keys_sequence {
            for key in known.keys.iter().filter(|key| !said.keys.contains_key(key)) {
                change.lost.insert(key.clone(), news.at);
                let held = change.held.get(key);
                change.former.extend(held.and_then(|Held { owned_since, known_at, .. }| {
                    Some(FormerKey { key: key.clone(), owned_since: (*owned_since)?, known_at: *known_at, left_at: news.at })
                }));
            }
            let held = said.keys.iter().map(|(key, owned_since)| {
                let known_at = change.held.get(key).map_or(news.at, |held| held.known_at);
                (key.clone(), Held { owned_since: *owned_since, known_at, held_at: news.at })
            });
            change.held = held.collect();
            known.keys = change.held.keys().cloned().collect();
            known.keys_sequence = news.sequence;
        }
    }
    change.lost.retain(|key, _| before.keys.contains(key) && !known.keys.contains(key));
    change.status_changed = before.awaiting_activation != known.awaiting_activation;
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::key;

    fn at(day: u32) -> DateTime<Utc> {
        format!("2026-10-{day:02}T00:00:00Z").parse().expect("instant")
    }

    /// Of day `sequence`; `keys`: of the first, the registration.
    fn news(sequence: u32, awaiting: bool, keys: Option<&[&str]>) -> News {
        let keys = keys.map(|keys| KeyNews { keys: keys.iter().map(|text| (key(text), None)).collect(), registration: sequence == 1 });
        News {
            member_id: MemberId(uuid::Uuid::nil()),
            member_no: "M1".to_owned(),
            sequence: sequence.into(),
            at: at(sequence),
            awaiting_activation: awaiting,
            keys,
        }
    }

    fn story() -> [News; 4] {
        [
            news(1, true, Some(&["no", "p1"])),
            news(2, false, None),
            news(3, false, Some(&["no", "p2", "v1"])),
            news(4, false, Some(&["no", "p2"])),
        ]
    }

    #[test]
    fn whatever_the_order_and_the_batches_the_end_is_one() {
        let story = story();
        let orders: [&[&[usize]]; 6] = [
            &[&[0, 1, 2, 3]],
            &[&[3, 2, 1, 0]],
            &[&[0], &[1], &[2], &[3]],
            &[&[1], &[0], &[3], &[2]],
            &[&[0, 0], &[3, 1], &[2, 1]],
            &[&[0], &[3], &[1, 2]],
        ];
        for order in orders {
            let (mut known, mut owned) = (Known::default(), BTreeSet::new());
            for batch in order {
                let batch: Vec<(usize, &News)> = batch.iter().map(|place| (*place, &story[*place])).collect();
                let change = decide_news(&mut known, &batch);
                owned.retain(|key| !change.lost.contains_key(key));
                owned.extend(change.held.into_keys());
            }
            assert_eq!(known.keys, [key("no"), key("p2")].into(), "{order:?}");
            assert_eq!(owned, known.keys, "{order:?}");
            assert_eq!((known.awaiting_activation, known.status_sequence, known.keys_sequence), (false, 4, 4), "{order:?}");
        }
    }

    #[test]
    fn a_key_is_known_since_the_first_that_says_so_and_held_since_the_last() {
        let story = story();
        let change = decide_news(&mut Known::default(), &story.iter().enumerate().collect::<Vec<_>>());
        let held = |text: &str| change.held.get(&key(text)).map(|held| (held.known_at, held.held_at));
        assert_eq!((held("no"), held("p2"), held("p1")), (Some((at(1), at(4))), Some((at(3), at(4))), None));
    }

    #[test]
    fn an_update_ahead_of_its_registration_comes_again_but_an_activation_is_remembered() {
        let story = story();
        let mut known = Known::default();
        let change = decide_news(&mut known, &[(7, &story[2])]);
        assert_eq!((change.early, change.held.len(), known.keys.len()), (vec![7], 0, 0));
        // Then the registration's own state is old news.
        let change = decide_news(&mut known, &[(0, &story[0])]);
        assert_eq!((change.held.len(), known.awaiting_activation), (2, false));
        assert_eq!(decide_news(&mut known, &[(0, &story[0])]), Change::default(), "again: nothing");
    }

    #[test]
    fn what_changes_is_told_apart() {
        let story = story();
        let mut known = Known::default();
        assert!(decide_news(&mut known, &[(0, &story[0])]).status_changed);
        let activated = decide_news(&mut known, &[(0, &story[1])]);
        assert_eq!((activated.status_changed, activated.held.len(), activated.lost.len()), (true, 0, 0));
        let updated = decide_news(&mut known, &[(0, &story[2])]);
        assert_eq!((updated.status_changed, updated.lost), (false, [(key("p1"), at(3))].into()));
    }

    /// A car that was the member's for a while is known to have been, whatever came together or in which order.
    #[test]
    fn a_vehicle_that_was_the_members_in_between_is_remembered() {
        let bought: NaiveDate = "2026-10-02".parse().expect("date");
        let mut story = story();
        if let Some(said) = &mut story[2].keys {
            said.keys.insert(key("v1"), Some(bought));
        }
        let former = |left_at| vec![FormerKey { key: key("v1"), owned_since: bought, known_at: at(3), left_at }];
        let together: Vec<(usize, &News)> = story.iter().enumerate().collect();
        assert_eq!(decide_news(&mut Known::default(), &together).former, former(at(4)));
        let mut known = Known::default();
        decide_news(&mut known, &[(0, &story[0])]);
        decide_news(&mut known, &[(0, &story[3])]);
        assert_eq!(decide_news(&mut known, &[(0, &story[2])]).former, former(at(3)), "behind the one that names it no more");
        let mut known = Known::default();
        decide_news(&mut known, &[(0, &story[0]), (1, &story[2])]);
        let change = decide_news(&mut known, &[(0, &story[3])]);
        assert_eq!((change.former, change.lost), (vec![], [(key("v1"), at(4))].into()), "the look-up has it, and notes it");
    }
}
