//! Seals: everything is sealed once, by one of many copies, and the anchors become whole whatever is killed.

use std::{path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use jifen_contracts::event::{Earned, Sealed};
use jifen_kernel::{Clock, ManualClock};
use jifen_points::Sealer;
use jifen_proof::{Hash, Seal, anchors, seal::Tree};
use jifen_runtime::{Running, context::ClockHandle, job::run_once};
use jifen_testkit::samples;

use crate::support::{Bench, invoice, program};

pub struct Sealing {
    pub bench: Bench,
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Sealing {
    pub async fn start() -> Self {
        let bench = Bench::start().await;
        samples::remember(&bench.env, "points", &[program(1)]).await;
        let at: DateTime<Utc> = "2026-10-01T04:00:00Z".parse().expect("instant");
        Self { bench, folder: tempfile::tempdir().expect("folder"), clock: Arc::new(ManualClock::new(at)) }
    }

    /// A copy whose anchors are the file of this name.
    pub async fn copy(&self, folder: &str) -> Running {
        let mut config = self.bench.config();
        config.clock = ClockHandle(Arc::clone(&self.clock) as Arc<_>);
        config.folder = Some(self.folder.path().join(folder));
        jifen_points::service().start(config).await.expect("points starts")
    }

    async fn post(&self, numbers: std::ops::Range<u32>, members: u32) {
        let invoices: Vec<_> = numbers.map(|n| invoice(&format!("R{n:04}"), u128::from(n % members) + 1, "repair", "10.00")).collect();
        self.bench.publish(&invoices, 1).await;
        self.bench.settled().await;
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn set(&self, at: DateTime<Utc>) {
        self.clock.set(at);
    }

    pub async fn minute(&self, copy: &Running) {
        self.clock.set(self.clock.now() + TimeDelta::seconds(60));
        run_once(copy.cx(), &Sealer).await.expect("sealed");
    }

    /// Where a copy's anchors are.
    pub fn anchors(&self, folder: &str) -> std::path::PathBuf {
        self.folder.path().join(folder).join(jifen_points::ANCHORS)
    }

    fn anchored(&self, folder: &str) -> Vec<Seal> {
        anchors::read(&self.anchors(folder)).expect("anchors").map(|line| line.expect("line").seal.expect("a seal")).collect()
    }

    /// Every entry is under one seal, and each seal is what its heads say.
    async fn assert_all_sealed(&self) {
        for (wrong, why) in [
            (
                "select count(*) FROM account a where sequence <> (select coalesce(max(sequence), 0) from points.sealed_head s where s.member_id = a.member_id)",
                "all are sealed",
            ),
            (
                "select count(*) FROM sealed_head s where behind <> (select coalesce(max(sequence), 0) from points.sealed_head b where b.member_id = s.member_id and b.sequence < s.sequence)",
                "without a gap",
            ),
            (
                "select count(*) FROM sealed_head s where head is distinct from (select hash from points.entry e where e.member_id = s.member_id and e.sequence = s.sequence)",
                "with the right hash",
            ),
            ("select count(*) FROM seal s where leaves <> (select count(*) from points.sealed_head h where h.seal = s.seal)", "counted"),
            ("select count(*) - max(seal) FROM seal", "numbered"),
        ] {
            assert_eq!(self.bench.number(wrong).await, 0, "{why}");
        }
    }
}

fn assert_chained(seals: &[Seal]) {
    let mut previous = Hash::NONE;
    for (seal, number) in seals.iter().zip(1..) {
        assert_eq!((seal.statement.seal, seal.statement.previous), (number, previous));
        assert!(seal.is_signed() && !seal.short_heads().is_empty());
        previous = seal.statement.hash();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grew_is_sealed_once_a_minute_and_anchored() {
    let sealing = Sealing::start().await;
    let copies = [sealing.copy("a").await, sealing.copy("b").await];
    sealing.post(0..40, 10).await;
    sealing.minute(&copies[0]).await;
    // Again in the same minute, and a minute in which nothing happened.
    run_once(copies[1].cx(), &Sealer).await.expect("nothing due");
    sealing.minute(&copies[1]).await;
    sealing.post(40..50, 3).await;
    sealing.minute(&copies[1]).await;
    sealing.assert_all_sealed().await;
    let events: Vec<Sealed> = sealing.bench.published(2).await;
    assert_eq!(events.iter().map(|event| (event.seal, event.leaves)).collect::<Vec<_>>(), [(1, 10), (2, 3)]);
    // Each copy's file becomes whole.
    for (copy, folder) in copies.iter().zip(["a", "b"]) {
        run_once(copy.cx(), &Sealer).await.expect("anchored");
        let seals = sealing.anchored(folder);
        assert_chained(&seals);
        assert_eq!(
            seals.iter().map(|seal| seal.statement.root.to_string()).collect::<Vec<_>>(),
            events.iter().map(|event| event.root.clone()).collect::<Vec<_>>()
        );
    }
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_old_entries_are_found_and_torn_or_lost_anchors_made_whole() {
    let sealing = Sealing::start().await;
    let copy = sealing.copy("a").await;
    // Entries from before there were seals, and others whose clock was wrong: nothing points to them but the round.
    sealing.post(0..30, 30).await;
    let old = "update points.entry set posted_at = '2020-01-01'";
    sqlx::query(old).execute(sealing.bench.env.admin_pool()).await.expect("older");
    sealing.minute(&copy).await;
    sealing.assert_all_sealed().await;
    assert_eq!(sealing.bench.number("select count(*) FROM seal").await, 1);
    sealing.post(30..40, 10).await;
    sealing.minute(&copy).await;
    run_once(copy.cx(), &Sealer).await.expect("anchored");
    let whole = sealing.anchored("a");
    assert_eq!(whole.len(), 2);
    let path = sealing.folder.path().join("a").join(jifen_points::ANCHORS);
    let content = std::fs::read(&path).expect("anchors");
    for cut in [content.len() - 5, content.len() / 3, 0] {
        tear(&path, &content[..cut]);
        run_once(copy.cx(), &Sealer).await.expect("anchored again");
        assert_eq!(sealing.anchored("a"), whole, "cut at {cut}");
    }
    std::fs::remove_dir_all(path.parent().expect("folder")).expect("lost");
    run_once(copy.cx(), &Sealer).await.expect("anchored again");
    assert_eq!(sealing.anchored("a"), whole);
    // A table that is behind its anchors was changed, or is an old copy: the anchors stay as they are, and sealing goes on.
    sqlx::raw_sql("delete from points.sealed_head where seal = 2; delete from points.seal where seal = 2")
        .execute(sealing.bench.env.admin_pool())
        .await
        .expect("cut");
    sealing.minute(&copy).await;
    run_once(copy.cx(), &Sealer).await.expect("sealed");
    assert_eq!(sealing.anchored("a"), whole);
    assert!(copy.stop().await);
}

fn tear(path: &Path, content: &[u8]) {
    std::fs::write(path, content).expect("torn");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_seal_and_post_at_once_and_nothing_is_left_out() {
    let sealing = Sealing::start().await;
    let copies = [sealing.copy("a").await, sealing.copy("a").await, sealing.copy("a").await];
    let post = async {
        for part in 0..6 {
            sealing.post(part * 50..(part + 1) * 50, 20).await;
        }
    };
    let seal = async {
        for turn in 0..40 {
            sealing.minute(&copies[turn % 3]).await;
        }
    };
    tokio::join!(post, seal);
    sealing.minute(&copies[0]).await;
    run_once(copies[0].cx(), &Sealer).await.expect("anchored");
    let _: Vec<Earned> = sealing.bench.published(300).await;
    sealing.assert_all_sealed().await;
    let seals = sealing.anchored("a");
    assert_chained(&seals);
    let mut tx = sealing.bench.env.admin_pool().acquire().await.expect("connection");
    for seal in seals {
        let rows: Vec<(uuid::Uuid, i64, Vec<u8>)> =
            sqlx::query_as("select member_id, sequence, head from points.sealed_head where seal = $1 order by member_id")
                .bind(seal.statement.seal)
                .fetch_all(&mut *tx)
                .await
                .expect("heads");
        let leaves = rows.iter().map(|(member_id, sequence, head)| jifen_proof::Leaf {
            member_id: *member_id,
            sequence: *sequence,
            head: Hash::of_slice(head).expect("hash"),
        });
        assert_eq!(Tree::of(leaves).root(), seal.statement.root);
    }
    for copy in copies {
        assert!(copy.stop().await);
    }
}
