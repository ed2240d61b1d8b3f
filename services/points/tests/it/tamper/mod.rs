//! Whoever may change every row of the database is found: a thousand changings, each named, and nobody else.

mod attack;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jifen_kernel::MemberId;
use jifen_points::audit::{Finding, Report, Trust, What, prove, verify};
use jifen_proof::{SealingKey, anchors};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use sqlx::{Acquire, Connection, PgConnection};
use uuid::Uuid;

use self::attack::{ATTACKS, Attack, attack, forge_seals, rows};
use crate::{
    seals::Sealing,
    support::{activated, answer, awaiting, double, grant, interaction, invoice, purchase},
};

const MEMBERS: u128 = 240;

/// A ledger of everything that earns, sealed several times, with its anchors.
struct Ledger {
    sealing: Sealing,
    trust: Trust,
}

impl Ledger {
    async fn start(members: u128) -> Self {
        let sealing = Sealing::start().await;
        let copy = sealing.copy("a").await;
        let trust =
            Trust { key: SealingKey::new(&copy.cx().secret_for(jifen_points::PURPOSE)).public(), anchors: Some(sealing.anchors("a")) };
        let bench = &sealing.bench;
        for round in 0..4_u32 {
            let bill = |member: u128| {
                let bill = invoice(&format!("R{round}-{member}"), member, "repair", &format!("{}.00", 10 + member + u128::from(round)));
                if member.is_multiple_of(7) && round < 2 { awaiting(bill) } else { bill }
            };
            bench.publish(&(1..=members).map(bill).collect::<Vec<_>>(), 1).await;
            bench.settled().await;
            let extra: Vec<_> = (1..=members).filter(|member| member % 3 == u128::from(round) % 3).collect();
            let answers: Vec<_> =
                extra.iter().map(|member| answer(&format!("R{round}-{member}"), *member, vec![double("repair", 10)])).collect();
            bench.publish(&answers, 1).await;
            let of = |text: &str, member: &u128| format!("{text}{round}-{member}");
            bench.publish(&extra.iter().map(|member| grant(&of("p", member), *member, 20)).collect::<Vec<_>>(), 1).await;
            bench.publish(&extra.iter().map(|member| purchase(&of("w", member), *member, "wash", "12.00")).collect::<Vec<_>>(), 1).await;
            bench
                .publish(
                    &extra.iter().map(|member| interaction(&of("C", member), *member, "check_in", "2026-10-01", None)).collect::<Vec<_>>(),
                    1,
                )
                .await;
            if round == 2 {
                bench.publish(&(1..=members).filter(|member| member.is_multiple_of(14)).map(activated).collect::<Vec<_>>(), 1).await;
            }
            bench.settled().await;
            sealing.minute(&copy).await;
        }
        sealing.minute(&copy).await;
        assert!(copy.stop().await);
        Self { sealing, trust }
    }

    async fn connection(&self) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        let mut connection = self.sealing.bench.env.admin_pool().acquire().await.expect("connection");
        sqlx::query("set search_path = points").execute(&mut *connection).await.expect("path");
        connection
    }

    async fn verify(&self, connection: &mut PgConnection) -> Report {
        verify(connection, None, &self.trust, &|_| ()).await.expect("verified")
    }
}

fn of(findings: &[Finding], member: Uuid) -> Vec<String> {
    findings.iter().filter(|finding| finding.member_id == Some(MemberId(member))).map(ToString::to_string).collect()
}

/// Ten rounds of a hundred changings, each in a transaction that is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_changings_are_found_and_named_and_nothing_else() {
    let ledger = Ledger::start(MEMBERS).await;
    let mut connection = ledger.connection().await;
    let untouched = ledger.verify(&mut connection).await;
    assert_eq!(untouched.findings, []);
    assert!(
        untouched.members == 240 && untouched.entries > 2_000 && untouched.seals >= 4 && untouched.anchored == untouched.seals,
        "{untouched:?}"
    );
    let mut rng = StdRng::seed_from_u64(20_261_001);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut done = 0;
    for _ in 0..10 {
        let mut tx = connection.begin().await.expect("begin");
        // Keys and checks stop nobody who owns the table.
        let free = "alter table entry drop constraint entry_pkey; drop index entry_key_of_member; drop index entry_first_spending; drop index entry_moved_once";
        sqlx::raw_sql(free).execute(&mut *tx).await.expect("free");
        let mut members: Vec<u128> = (1..=MEMBERS).collect();
        members.shuffle(&mut rng);
        let (victims, others) = members.split_at(120);
        let mut expected = Vec::new();
        for (number, member) in (done..done + 100).zip(victims) {
            let (kind, member, other) = (ATTACKS[number % ATTACKS.len()], Uuid::from_u128(*member), Uuid::from_u128(others[number % 100]));
            let (place, also) = attack(&mut tx, &mut rng, kind, member, other).await;
            *kinds.entry(format!("{kind:?}")).or_default() += 1;
            expected.push((kind, member, place, also));
        }
        done += 100;
        let report = ledger.verify(&mut tx).await;
        for (kind, member, place, _) in &expected {
            let named = |finding: &Finding| match place {
                Some(place) => finding.names(MemberId(*member), *place),
                None => finding.member_id == Some(MemberId(*member)),
            };
            assert!(report.findings.iter().any(named), "{kind:?} at {place:?} of {member}: {:?}", of(&report.findings, *member));
        }
        let touched: BTreeSet<MemberId> =
            expected.iter().flat_map(|(_, member, _, also)| [Some(*member), *also]).flatten().map(MemberId).collect();
        for finding in &report.findings {
            assert!(finding.member_id.is_none_or(|member| touched.contains(&member)), "nobody touched that: {finding}");
        }
        tx.rollback().await.expect("taken back");
    }
    assert!(done == 1_000 && kinds.len() >= 45, "{kinds:?}");
    assert_eq!(ledger.verify(&mut connection).await.findings, []);
}

/// The whole history, all seals included, with a key of the forger's own: the database agrees with itself, the anchors don't.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_rewritten_as_a_whole_is_found_by_the_anchors() {
    let ledger = Ledger::start(30).await;
    let mut connection = ledger.connection().await;
    let mut rng = StdRng::seed_from_u64(7);
    let mut tx = connection.begin().await.expect("begin");
    let victims: Vec<Uuid> = (3..9).map(Uuid::from_u128).collect();
    let mut places = Vec::new();
    for member in &victims {
        places.push(attack(&mut tx, &mut rng, Attack::RewriteSealed, *member, *member).await.0.expect("place"));
    }
    let forger = SealingKey::new(&[66; 32]);
    forge_seals(&mut tx, &forger).await;
    // Whoever trusts the forger's key and has no anchors finds nothing but balances that are right: that is what anchors are for.
    let fooled = Trust { key: forger.public(), anchors: None };
    let blind = verify(&mut tx, None, &fooled, &|_| ()).await.expect("verified");
    assert!(blind.findings.iter().all(|finding| finding.column == Some("lifetime") || finding.what == What::Lot), "{:?}", blind.findings);
    let report = ledger.verify(&mut tx).await;
    for (member, place) in victims.iter().zip(&places) {
        let rewritten = |finding: &&Finding| finding.what == What::Rewritten && finding.member_id == Some(MemberId(*member));
        assert!(
            report.findings.iter().filter(rewritten).any(|finding| finding.sequence >= Some(*place)),
            "{:?}",
            of(&report.findings, *member)
        );
    }
    let named: BTreeSet<Uuid> = report.findings.iter().filter_map(|finding| Some(finding.member_id?.0)).collect();
    assert_eq!(named.into_iter().collect::<Vec<_>>(), victims);
    // The same asked of one of them, and of one who was left alone.
    for (number, guilty) in [("M3", true), ("M20", false)] {
        let report = verify(&mut tx, Some(number), &ledger.trust, &|_| ()).await.expect("verified");
        assert_eq!(report.findings.iter().any(|finding| finding.member_id.is_some()), guilty, "{number}: {:?}", report.findings);
    }
    tx.rollback().await.expect("taken back");
    // The newest seals cut off with all that is under them.
    let mut tx = connection.begin().await.expect("begin");
    let (newest,): (i64,) = sqlx::query_as("select max(seal) from seal").fetch_one(&mut *tx).await.expect("newest");
    let cut: Vec<(Uuid, i64)> =
        sqlx::query_as("select member_id, behind from sealed_head where seal = $1").bind(newest).fetch_all(&mut *tx).await.expect("heads");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("delete from sealed_head where seal = {newest}; delete from seal where seal = {newest}")))
        .execute(&mut *tx)
        .await
        .expect("cut");
    for (member, behind) in &cut {
        sqlx::query("delete from entry where member_id = $1 and sequence > $2")
            .bind(member)
            .bind(behind)
            .execute(&mut *tx)
            .await
            .expect("cut");
    }
    let report = ledger.verify(&mut tx).await;
    assert!(report.findings.iter().any(|finding| finding.what == What::Anchor && finding.seal == Some(newest)));
    for (member, behind) in cut {
        assert!(report.findings.iter().any(|finding| finding.what == What::CutTail
            && finding.names(MemberId(member), finding.sequence.unwrap_or(0))
            && finding.sequence > Some(behind)));
    }
}

/// Whoever checks may read, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_only_reads_checks_the_ledger() {
    let ledger = Ledger::start(5).await;
    let url = ledger.sealing.bench.env.database_url("auditor");
    let mut auditor = PgConnection::connect(&url).await.expect("auditor");
    let report = ledger.verify(&mut auditor).await;
    assert!(report.findings.is_empty() && report.members == 5, "{report:?}");
    for sql in ["update account set active = 0", "delete from entry", "insert into sealing default values", "create table mine ()"] {
        sqlx::raw_sql("set default_transaction_read_only = off").execute(&mut auditor).await.expect("allowed, and of no use");
        assert!(sqlx::raw_sql(sql).execute(&mut auditor).await.is_err(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_proven_to_whoever_has_the_key_and_the_anchors_are_believed_only_if_signed() {
    let ledger = Ledger::start(9).await;
    let mut connection = ledger.connection().await;
    for member in 1..=9 {
        for row in rows(&mut connection, Uuid::from_u128(member)).await {
            let proof = prove(&mut connection, row.said.entry_id).await.expect("proven");
            let text = serde_json::to_string(&proof).expect("json");
            assert!(text.len() < 12_000, "{} bytes", text.len());
            let read: jifen_proof::EntryProof = serde_json::from_str(&text).expect("proof");
            assert_eq!((read.check(Some(&ledger.trust.key)), &read.entry), (Ok(()), &row.said));
            assert!(read.check(Some(&SealingKey::new(&[1; 32]).public())).is_err());
        }
    }
    assert!(prove(&mut connection, Uuid::nil()).await.is_err());
    // Anchors that somebody forged, or cut, or kept twice.
    let path = ledger.trust.anchors.clone().expect("anchors");
    let seals: Vec<_> = anchors::read(&path).expect("anchors").map(|line| line.expect("line").seal.expect("seal")).collect();
    let folder = tempfile::tempdir().expect("folder");
    let mut found = async |seals: &[jifen_proof::Seal]| {
        let kept: PathBuf = folder.path().join("kept");
        std::fs::write(&kept, seals.iter().map(|seal| serde_json::to_string(seal).expect("json") + "\n").collect::<String>())
            .expect("written");
        let trust = Trust { anchors: Some(kept), ..ledger.trust.clone() };
        verify(&mut connection, None, &trust, &|_| ()).await.expect("verified").findings
    };
    assert_eq!(found(&seals[1..]).await, [], "whoever came later has the later ones");
    assert_eq!(found(&[seals.clone(), seals[..1].to_vec()].concat()).await.len(), 1, "out of order");
    assert_eq!(found(&[&seals[..1], &seals[..]].concat()).await, [], "kept twice");
    let mut forged = seals.clone();
    forged[1].statement.root = jifen_proof::Hash([1; 32]);
    assert_eq!(found(&forged).await.iter().map(|finding| (finding.what, finding.seal)).next(), Some((What::Anchor, Some(2))));
}
