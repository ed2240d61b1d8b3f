//! How much a job takes at once. One row that can't be processed (an account that a torn disk left unreadable) must not hold up
//! the others: after a failure half as much is taken, until what fails stands alone; then it is left out for a round. What time may cure
//! (a lost connection, a deadlock) is no row's fault: the same is taken again, and nobody is left out.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use jifen_runtime::Failure;

/// A job's place among what is due, in an order in which what fails stays where it is. Each copy has its own.
#[derive(Debug)]
pub struct Parts {
    most: i64,
    next: Mutex<Part>,
}

/// What is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// So many at most.
    pub limit: i64,
    /// Behind so many that failed.
    pub offset: i64,
}

impl Parts {
    /// At most so many at once.
    pub fn new(most: i64) -> Self {
        Self { most, next: Mutex::new(Part { limit: most, offset: 0 }) }
    }

    /// What is to be taken now. Whoever comes neither to [`Parts::done`] nor to [`Parts::passed`] has failed, also by a panic.
    pub fn begin(&self) -> Part {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let part = *next;
        *next = if part.limit > 1 { Part { limit: part.limit / 2, ..part } } else { Part { offset: part.offset + 1, ..part } };
        part
    }

    /// Waits for the work on a part. Where time may cure what failed, the same part is taken again.
    pub async fn watch<T>(&self, part: Part, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let done = work.await;
        if matches!(done, Err(Failure::Transient(_))) {
            *self.next.lock().unwrap_or_else(PoisonError::into_inner) = part;
        }
        done
    }

    /// A part is processed, and the next one begins behind it: what failed before it stays behind, too.
    pub fn passed(&self, part: Part) {
        let next = Part { limit: (part.limit * 2).min(self.most), offset: 0 };
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// A part is processed; it had `found` rows. Behind the last one it begins anew, with what was left out.
    pub fn done(&self, part: Part, found: usize) {
        let next = if found == 0 { Part { limit: self.most, offset: 0 } } else { Part { limit: (part.limit * 2).min(self.most), ..part } };
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes rows of which some fail; gives what is left after so many rounds.
    fn left(rows: &[&str], rounds: usize) -> Vec<String> {
        let mut due: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        let parts = Parts::new(4);
        for _ in 0..rounds {
            let part = parts.begin();
            let offset = usize::try_from(part.offset).expect("an offset");
            let taken: Vec<String> = due.iter().skip(offset).take(usize::try_from(part.limit).expect("a limit")).cloned().collect();
            if taken.iter().all(|row| row != "bad") {
                due.retain(|row| !taken.contains(row));
                parts.done(part, taken.len());
            }
        }
        due
    }

    #[test]
    fn what_fails_holds_up_nobody_else() {
        assert_eq!(left(&["a", "b", "c", "d", "e"], 2), Vec::<String>::new());
        assert_eq!(left(&["a", "bad", "c", "d", "e", "f", "g"], 40), ["bad"]);
        assert_eq!(left(&["bad"], 40), ["bad"]);
    }

    /// Rows are gone through by their place, as a cursor does: what fails is left behind and holds up nobody.
    #[test]
    fn who_goes_on_behind_its_last_row_passes_what_fails() {
        let rows = ["a", "b", "bad", "c", "worse", "d", "e"];
        let (parts, mut behind, mut done) = (Parts::new(4), 0, Vec::new());
        for _ in 0..40 {
            let part = parts.begin();
            let from = behind + usize::try_from(part.offset).expect("an offset");
            let taken: Vec<&str> = rows.iter().skip(from).take(usize::try_from(part.limit).expect("a limit")).copied().collect();
            if taken.is_empty() {
                parts.done(part, 0);
                break;
            }
            if !taken.iter().any(|row| ["bad", "worse"].contains(row)) {
                behind = from + taken.len();
                done.extend(taken);
                parts.passed(part);
            }
        }
        assert_eq!(done, ["a", "b", "c", "d", "e"]);
        assert_eq!(parts.begin(), Part { limit: 4, offset: 0 });
    }

    #[tokio::test]
    async fn what_time_may_cure_leaves_nobody_out() {
        let parts = Parts::new(2);
        let failing = async |failure: Failure| {
            let part = parts.begin();
            assert!(parts.watch(part, async { Err::<(), _>(failure) }).await.is_err());
            part
        };
        for _ in 0..20 {
            assert_eq!(failing(Failure::transient("the disk is full")).await, Part { limit: 2, offset: 0 });
        }
        failing(Failure::defect("a broken row")).await;
        for _ in 0..20 {
            assert_eq!(failing(Failure::transient("the disk is full")).await, Part { limit: 1, offset: 0 });
        }
        failing(Failure::Unreadable("a broken row".to_owned())).await;
        assert_eq!(parts.begin(), Part { limit: 1, offset: 1 });
    }

    #[test]
    fn what_was_left_out_is_tried_again() {
        let parts = Parts::new(2);
        let first = parts.begin();
        assert_eq!((first, parts.begin()), (Part { limit: 2, offset: 0 }, Part { limit: 1, offset: 0 }));
        let behind = parts.begin();
        assert_eq!(behind, Part { limit: 1, offset: 1 });
        parts.done(behind, 0);
        assert_eq!(parts.begin(), first);
    }
}
