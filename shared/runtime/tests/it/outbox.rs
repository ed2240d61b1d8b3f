//! What was committed is published, whatever happens to the copy that committed it, to the broker or to the clock.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use jifen_contracts::{EventType, code, subject::stream_of};
use jifen_infra::streams::ensure_streams;
use jifen_kernel::{Ids, ManualClock};
use jifen_runtime::{Running, ask, context::ClockHandle, crypto::SealKey};
use jifen_testkit::{DEADLINE, bus, eventually};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    bench::{Bench, keys},
    probe::{COMMANDS, Done, GiveElsewhere, GiveRequest, NOTIFICATION, POINTS, Told},
};

/// A copy whose lock nobody holds.
const DEAD: i32 = 424_242;
/// The first key of the lock that says that a copy lives.
const COPY_LOCK: i32 = 0x6a66_0001;

fn slot(at: DateTime<Utc>, slots: i64) -> i16 {
    i16::try_from((at.timestamp() / 86_400) % slots).expect("slot")
}

/// A row as a copy writes it, and how it must arrive.
struct Row {
    id: Uuid,
    subject: String,
    plain: Vec<u8>,
    resting: Vec<u8>,
    sealed: bool,
}

impl Bench {
    fn row(&self, ids: &Ids, at: DateTime<Utc>, subject: &str, key: &str, sealed: bool) -> Row {
        let id = ids.next(at);
        let plain = serde_json::to_vec(&bus::envelope(id, at, &Done { key: key.to_owned() })).expect("json");
        let seal = SealKey::new(*self.env.keys().seal.expose()).derive(self.name);
        let resting = if sealed { seal.seal(ids, &plain, id.as_bytes()) } else { plain.clone() };
        Row { id, subject: subject.to_owned(), plain, resting, sealed }
    }

    /// A commit that a copy made and did not mark.
    async fn commit(&self, copy: i32, slot: i16, created_at: DateTime<Utc>, rows: &[Row]) -> Uuid {
        let commit_id = Uuid::from_u128(u128::from(rows[0].id.as_u64_pair().1));
        for (ordinal, row) in rows.iter().enumerate() {
            sqlx::query("insert into outbox (slot, commit_id, ordinal, id, stream, subject, sealed, payload) values ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(slot)
                .bind(commit_id)
                .bind(i32::try_from(ordinal).expect("ordinal"))
                .bind(row.id)
                .bind(stream_of(&row.subject))
                .bind(&row.subject)
                .bind(row.sealed)
                .bind(&row.resting)
                .execute(&self.pool)
                .await
                .expect("row");
        }
        sqlx::query("insert into outbox_commit (slot, commit_id, stream, copy, row_count, created_at) values ($1, $2, $3, $4, $5, $6)")
            .bind(slot)
            .bind(commit_id)
            .bind(stream_of(&rows[0].subject))
            .bind(copy)
            .bind(i32::try_from(rows.len()).expect("count"))
            .bind(created_at)
            .execute(&self.pool)
            .await
            .expect("header");
        commit_id
    }

    async fn is_marked(&self, commit_id: Uuid) -> bool {
        let marked = sqlx::query_scalar("select published_at is not null from outbox_commit where commit_id = $1");
        marked.bind(commit_id).fetch_one(&self.pool).await.expect("header")
    }

    async fn marked(&self, commit_id: Uuid) {
        eventually(DEADLINE, || async { self.is_marked(commit_id).await.then_some(()) }).await;
    }

    async fn copy_at(&self, clock: &Arc<ManualClock>) -> Running {
        let mut config = self.config();
        config.clock = ClockHandle(clock.clone());
        self.copy_of(config).await
    }

    async fn take_away(&self, stream: &str) {
        self.env.js("provisioner").await.delete_stream(stream).await.expect("deleted");
    }

    async fn give_back(&self) {
        ensure_streams(&self.env.nats("provisioner").await, 1).await.expect("streams");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_copy_left_is_swept_and_a_living_one_keeps_its_own_for_30_s() {
    let bench = Bench::start(POINTS).await;
    let (ids, now) = (Ids::system(), bus::published_at());
    let (clock, today) = (Arc::new(ManualClock::new(now)), slot(now, 16));
    let (subject, ago) = (Done { key: String::new() }.subject(), |seconds| now - Duration::seconds(seconds));
    let row = |key, sealed| bench.row(&ids, now, &subject, key, sealed);
    let mut life = PgConnection::connect(&bench.env.database_url(POINTS)).await.expect("session");
    sqlx::query("select pg_advisory_lock($1, 777)").bind(COPY_LOCK).execute(&mut life).await.expect("lock");
    let left = [row("published before the death", false), row("left", false), row("left, sealed", true)];
    // The first one was published from memory before its copy died.
    let js = bench.env.js(POINTS).await;
    let before =
        async_nats::jetstream::message::PublishMessage::build().message_id(left[0].id.to_string()).payload(left[0].plain.clone().into());
    js.send_publish(subject.clone(), before).await.expect("publish").await.expect("ack");
    // The living one's is the oldest: a sweep that took it would take it first.
    let living = bench.commit(777, today, ago(10), &[row("living", false)]).await;
    let dead = bench.commit(DEAD, today, ago(3), &left).await;
    let young = bench.commit(DEAD, today, ago(1), &[row("young", false)]).await;
    let copy = bench.copy_at(&clock).await;
    bench.marked(dead).await;
    assert_eq!((bench.is_marked(living).await, bench.is_marked(young).await), (false, false));

    let stream = bench.env.js("provisioner").await.get_stream("EVENTS").await.expect("stream");
    assert_eq!(stream.cached_info().state.messages, 3, "the one that was there did not come again");
    for (sequence, row) in (1..).zip(&left) {
        let message = stream.get_raw_message(sequence).await.expect("message");
        assert_eq!((&message.payload[..], message.subject.as_str()), (&row.plain[..], subject.as_str()));
        let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned());
        assert_eq!(header("Nats-Msg-Id"), Some(row.id.to_string()));
        if sequence > 1 {
            assert_eq!((header("ce-id"), header("ce-type")), (Some(row.id.to_string()), Some(Done::type_name())));
            assert_eq!(header("ce-source").as_deref(), Some("/jifen/points"));
        }
    }
    let mark: (i64, i64, Uuid, DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
        "select lowest_sequence, highest_sequence, highest_id, published_at, stream_created_at from outbox_commit where commit_id = $1",
    )
    .bind(dead)
    .fetch_one(&bench.pool)
    .await
    .expect("mark");
    assert_eq!((mark.0, mark.1, mark.2, mark.3), (1, 3, left[2].id, now));
    let created = stream.cached_info().created.to_utc();
    assert!((mark.4 - created).abs() < Duration::microseconds(2), "{} {created}", mark.4);

    clock.set(now + Duration::seconds(2));
    bench.marked(young).await;
    assert!(!bench.is_marked(living).await, "12 s old, and its copy lives");
    clock.set(now + Duration::seconds(21));
    bench.marked(living).await;
    // Once its copy is dead, another of its commits need not wait for that.
    let last = bench.commit(777, today, now + Duration::seconds(10), &[row("last", false)]).await;
    life.close().await.expect("end");
    bench.marked(last).await;
    assert_eq!(bench.done().await, ["last", "left", "left, sealed", "living", "published before the death", "young"]);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_past_are_truncated_but_never_with_something_unpublished() {
    let bench = Bench::start(POINTS).await;
    let (ids, now) = (Ids::system(), bus::published_at());
    let clock = Arc::new(ManualClock::new(now));
    let subject = Done { key: String::new() }.subject();
    let day = |days| now - Duration::days(days);
    let mut commits = Vec::new();
    for days in [15, 14, 11, 10, 9, 8, 3, 0] {
        let row = bench.row(&ids, day(days), &subject, "k", false);
        // Created just now whatever its slot, so that nobody sweeps it.
        commits.push((days, bench.commit(DEAD, slot(day(days), 16), now, &[row]).await));
    }
    let open = commits[3].1;
    sqlx::query("update outbox_commit set published_at = created_at where commit_id <> $1")
        .bind(open)
        .execute(&bench.pool)
        .await
        .expect("marked");
    for days in [22, 17, 16, 0] {
        sqlx::query("insert into inbox (slot, consumer, source, id, payload_hash) values ($1, 'c', '', $2, '')")
            .bind(slot(day(days), 24))
            .bind(ids.next(day(days)))
            .execute(&bench.pool)
            .await
            .expect("claim");
    }
    let copy = bench.copy_at(&clock).await;
    // Slot 15 days back is tomorrow's; 10 days back waits for its commit, 8 days are kept.
    let kept = |days: &'static [i64]| {
        let (bench, commits) = (&bench, &commits);
        eventually(DEADLINE, move || async move {
            let mut there: Vec<Uuid> = sqlx::query_scalar("select commit_id from outbox").fetch_all(&bench.pool).await.ok()?;
            let headers: Vec<Uuid> = sqlx::query_scalar("select commit_id from outbox_commit").fetch_all(&bench.pool).await.ok()?;
            there.sort();
            let mut expected: Vec<Uuid> = commits.iter().filter(|(of, _)| days.contains(of)).map(|(_, id)| *id).collect();
            expected.sort();
            (there == expected && headers.len() == there.len()).then_some(())
        })
    };
    kept(&[15, 10, 8, 3, 0]).await;
    bench.until("select count(*) from inbox", 2).await;
    sqlx::query("update outbox_commit set published_at = created_at where commit_id = $1")
        .bind(open)
        .execute(&bench.pool)
        .await
        .expect("marked");
    clock.set(now + Duration::days(1));
    // The next day: what was open is gone, and so are the slots that have come of age. The slot 15 days back is in use now.
    kept(&[15, 3, 0]).await;
    bench.until("select count(*) from inbox", 1).await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_takes_nothing_holds_no_other_stream_up() {
    let bench = Bench::start(NOTIFICATION).await;
    let (ids, now) = (Ids::system(), bus::published_at());
    let clock = Arc::new(ManualClock::new(now));
    bench.take_away("NOTIFY").await;
    let command = bench.row(&ids, now, COMMANDS, "command", true);
    let stuck = bench.commit(DEAD, slot(now, 16), now - Duration::seconds(10), &[command]).await;
    let event = bench.row(&ids, now, "evt.notification.delivered.v1._", "event", false);
    let behind = bench.commit(DEAD, slot(now, 16), now - Duration::seconds(5), &[event]).await;
    let copy = bench.copy_at(&clock).await;
    bench.marked(behind).await;
    assert!(!bench.is_marked(stuck).await);
    bench.give_back().await;
    bench.marked(stuck).await;
    assert_eq!(bench.done().await, ["command"]);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_can_not_publish_takes_nothing_more_from_outside_reads_events_and_loses_nothing() {
    let bench = Bench::start(NOTIFICATION).await;
    let mut config = bench.config();
    (config.limits.unpublished_rows, config.limits.batch_messages) = (5, 4);
    bench.take_away("NOTIFY").await;
    bench.tell(keys("a", 12)).await;
    let copy = bench.copy_of(config).await;
    let give = |operation: String| {
        let operator = &bench.operator;
        async move {
            ask::<GiveElsewhere>(operator, &GiveRequest { operation_id: operation, key: "k".to_owned(), store: None, refuse: None }).await
        }
    };
    let mut attempt = 0;
    eventually(DEADLINE, || {
        attempt += 1;
        let asked = give(format!("before-{attempt}"));
        async move { asked.await.err().filter(|problem| problem.code == code::SERVICE_BUSY.code) }
    })
    .await;
    let ids = Ids::system();
    let reports = keys("c", 40).into_iter().map(|key| {
        let told = Told { key };
        let report = bus::envelope(ids.next(bus::published_at()), bus::published_at(), &told);
        ("gateway.v1.sms.receipt".to_owned(), serde_json::to_vec(&report).expect("json"))
    });
    bus::publish_raw(&bench.env, "gateway_sms", reports.collect::<Vec<_>>()).await;
    bench.tell(keys("b", 40)).await;
    // Events are read on: what nobody has read can't be purged, and their stream would be full in the end.
    bench.until("select count(*) from effect where key < 'c'", 52).await;
    // Long enough to have read all reports, too: a commit of another stream was swept meanwhile.
    let now = copy.cx().clock.now();
    let marker = bench.row(&ids, now, "evt.notification.delivered.v1._", "marker", false);
    let marker = bench.commit(DEAD, slot(now, 16), now - Duration::seconds(3), &[marker]).await;
    bench.marked(marker).await;
    let read = bench.number("select count(*) from effect where key > 'c'").await;
    assert!(read <= 4, "at most the batch that was asked for already: {read}");
    assert_eq!(give("refused".to_owned()).await.expect_err("busy").code, code::SERVICE_BUSY.code);
    assert_eq!(bench.number("select count(*) from outbox where not sealed and subject like 'notify%'").await, 0, "commands rest sealed");

    bench.give_back().await;
    bench.until("select count(*) from effect", 92).await;
    bench.quiet().await;
    let mut all = keys("a", 12);
    all.extend(keys("b", 40));
    all.extend(keys("c", 40));
    assert_eq!(bench.done().await, all);
    eventually(DEADLINE, || async { give("refused".to_owned()).await.ok() }).await;
    assert_eq!(bench.number("select count(*) from operation where operation_id = 'refused'").await, 1);
    assert_eq!(bench.number("select count(*) from dead_letter").await, 0);
    assert!(copy.stop().await);
}

/// Makes the next two marks fail.
const MARKS_FAIL: &str = "
    create sequence attempts;
    create function fail_twice() returns trigger language plpgsql security definer as $$
    begin
        if nextval('points.attempts') <= 2 then raise exception 'not now'; end if;
        return new;
    end $$;
    create trigger fail_twice before update on outbox_commit for each row execute function fail_twice();";

#[tokio::test]
async fn a_mark_that_failed_is_made_again() {
    let bench = Bench::start(POINTS).await;
    let mut admin = PgConnection::connect(bench.env.admin_url()).await.expect("administrator");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set search_path to {POINTS}; {MARKS_FAIL}"))).execute(&mut admin).await.expect("trigger");
    // Time stands still: no sweeper ever takes over.
    let copy = bench.copy_at(&Arc::new(ManualClock::new(bus::published_at()))).await;
    bench.tell(["a"]).await;
    bench.quiet().await;
    let attempts: i64 = sqlx::query_scalar("select last_value from attempts").fetch_one(&mut admin).await.expect("attempts");
    assert_eq!(attempts, 3);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_write_is_synced_a_commit_is_one_batch_and_a_refused_batch_goes_message_by_message() {
    let bench = Bench::start(POINTS).await;
    let batched = || async {
        let stream = bench.env.js("provisioner").await.get_stream("EVENTS").await.expect("stream");
        let mut batched = 0;
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.expect("message");
            batched += usize::from(message.headers.get("Nats-Batch-Id").is_some());
        }
        batched
    };
    let mut config = bench.config();
    config.limits.publish_atomic = true;
    // All wait before there is a copy: they are one commit.
    bench.copy().await.stop().await;
    bench.tell(keys("a", 40)).await;
    let copy = bench.copy_of(config).await;
    bench.quiet().await;
    assert_eq!((bench.done().await, batched().await), (keys("a", 40), 40));

    let provisioner = bench.env.js("provisioner").await;
    let stream = provisioner.get_stream("EVENTS").await.expect("stream").cached_info().config.clone();
    provisioner
        .update_stream(async_nats::jetstream::stream::Config { allow_atomic_publish: false, ..stream })
        .await
        .expect("without batches");
    bench.tell(keys("b", 40)).await;
    bench.quiet().await;
    let mut all = keys("a", 40);
    all.extend(keys("b", 40));
    assert_eq!((bench.done().await, batched().await), (all, 40));
    assert_eq!(bench.number("select count(*) from outbox_commit where published_at is null").await, 0);
    assert!(copy.stop().await);
}
