//! What a test gets, and what roles and users may do in it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{DiscardPolicy, StorageType};
use futures_util::StreamExt;
use jifen_infra::{nats, streams};
use jifen_testkit::{TestEnv, eventually, publish_pos};

use crate::schemas::both;

const SOON: Duration = Duration::from_secs(10);

/// What the server refused to this client, in its words.
type Refusals = Arc<Mutex<Vec<String>>>;

async fn watched(env: &TestEnv, user: &str) -> (Client, Refusals) {
    let refusals = Refusals::default();
    let heard = refusals.clone();
    let options = nats::options(&env.nats_credentials(user)).event_callback(move |event| {
        heard.lock().expect("lock").push(event.to_string());
        async {}
    });
    (options.connect(env.nats_url()).await.expect("connected"), refusals)
}

async fn assert_refused(env: &TestEnv, user: &str, subject: &str) {
    let (client, refusals) = watched(env, user).await;
    client.publish(subject.to_owned(), "x".into()).await.expect("sent");
    eventually(SOON, || async {
        let heard = refusals.lock().expect("lock");
        heard.iter().any(|said| said.to_lowercase().contains("permissions violation") && said.contains(subject)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_role_sees_its_own_schema_and_nothing_else() {
    let env = TestEnv::start(&both()).await;
    let (points, tier) = (env.pool("points"), env.pool("tier"));
    sqlx::query("insert into entry (points) values (5)").execute(&points).await.expect("own table");
    let there: i64 = sqlx::query_scalar("select count(*) from standing").fetch_one(&tier).await.expect("own table");
    assert_eq!(there, 0);

    for sql in ["select * from tier.standing", "update entry set points = 6", "delete from entry", "truncate entry", "drop table entry"] {
        let error = sqlx::query(sql).execute(&points).await.expect_err(sql);
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned);
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
    }
    for sql in ["create table mine (id int)", "create table public.mine (id int)", "create schema mine", "create temp table mine (id int)"]
    {
        assert!(sqlx::query(sql).execute(&points).await.is_err(), "{sql}");
    }
    assert!(sqlx::query("select * from points.entry").execute(&tier).await.is_err());
    assert!(sqlx::query("set role jifen_points_owner").execute(&points).await.is_err());
    let ids: i64 = sqlx::query_scalar("select count(*) from jifen.key").fetch_one(&points).await.expect("ids of keys");
    assert_eq!(ids, 4);
    assert!(sqlx::query("update jifen.key set id = 'x'").execute(&points).await.is_err());

    let owner: String =
        sqlx::query_scalar("select tableowner from pg_tables where schemaname = 'points' and tablename = '_sqlx_migrations'")
            .fetch_one(env.admin_pool())
            .await
            .expect("migrations in the schema");
    assert_eq!(owner, "jifen_points_owner");
}

#[tokio::test]
async fn tests_share_nothing() {
    let schemas = both();
    let (first, second) = tokio::join!(TestEnv::start(&schemas), TestEnv::start(&schemas));
    sqlx::query("insert into entry (points) values (5)").execute(&first.pool("points")).await.expect("insert");
    let count: i64 = sqlx::query_scalar("select count(*) from entry").fetch_one(&second.pool("points")).await.expect("count");
    assert_eq!(count, 0);

    let (js_first, js_second) = (first.js("local").await, second.js("local").await);
    let ack = publish_pos(&js_first, "pos.v1.SH01.invoice", r#"{"store":"SH01"}"#).await.expect("published");
    assert_eq!((ack.stream.as_str(), ack.sequence), ("POS", 1));
    let messages = |stream: &async_nats::jetstream::stream::Info| stream.state.messages;
    assert_eq!(messages(&js_first.get_stream("POS").await.expect("stream").get_info().await.expect("info")), 1);
    assert_eq!(messages(&js_second.get_stream("POS").await.expect("stream").get_info().await.expect("info")), 0);

    let (database, admin) = (first.admin_url().to_owned(), second.admin_pool().clone());
    let name = database.rsplit('/').next().expect("name").split('?').next().expect("name").to_owned();
    drop(first);
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)").bind(name).fetch_one(&admin).await.expect("asked");
    assert!(!there, "the database goes with its test");
}

#[tokio::test]
async fn users_say_what_their_rights_allow_and_nothing_else() {
    let env = TestEnv::start(&both()).await;
    publish_pos(&env.js("SH01").await, "pos.v1.SH01.invoice", "{}").await.expect("own document");
    env.js("points").await.publish("evt.points.earned.v1.SH01", "{}".into()).await.expect("sent").await.expect("own event");
    for (user, subject) in [
        ("SH01", "pos.v1.SH02.invoice"),
        ("SH01", "api.points.account.get.SH02"),
        ("local", "evt.points.earned.v1.SH01"),
        ("local", "receipt.v1.SH01"),
        ("local", "$JS.API.STREAM.DELETE.EVENTS"),
        ("local", "$JS.API.STREAM.PURGE.NOTIFY"),
        ("local", "$JS.API.CONSUMER.DELETE.EVENTS.points_invoice_accepted"),
        ("points", "evt.tier.upgraded.v1.SH01"),
        ("points", "$JS.API.STREAM.PURGE.EVENTS"),
        ("gateway_sms", "gateway.v1.wechat.receipt"),
    ] {
        assert_refused(&env, user, subject).await;
    }
}

#[tokio::test]
async fn a_service_answers_and_nobody_else_hears_it() {
    let env = TestEnv::start(&both()).await;
    let (points, local, member) = (env.nats("points").await, env.nats("local").await, env.nats("member").await);
    let mut requests = points.subscribe("api.points.account.get").await.expect("own endpoint");
    points.flush().await.expect("subscribed");
    let spy = env.nats("local").await;
    let everything = spy.subscribe("_INBOX.>").await.expect("asked");
    spy.flush().await.expect("flushed");
    let answering = async {
        for _ in 0..3 {
            let request = requests.next().await.expect("request");
            points.publish(request.reply.expect("reply"), "1500".into()).await.expect("answered");
        }
        points.flush().await.expect("flushed");
    };
    let asking = async {
        let from_outside = local.request("api.points.account.get", "{}".into()).await.expect("answer");
        let from_inside = member.request("api.points.account.get", "{}".into()).await.expect("answer");
        // Answers come in the order of the questions: after this one, whatever could be heard has been.
        spy.request("api.points.account.get", "{}".into()).await.expect("answer");
        (from_outside.payload, from_inside.payload)
    };
    let ((), (outside, inside)) = tokio::join!(answering, asking);
    assert_eq!((outside.as_ref(), inside.as_ref()), (b"1500".as_ref(), b"1500".as_ref()));
    // The one connected without credentials may hear its like, never a service.
    let heard: Vec<_> = everything.take(2).map(|message| message.subject.to_string()).collect().await;
    let to_member = env.nats_credentials("member").inbox_prefix;
    assert!(heard.iter().all(|subject| !subject.starts_with(&to_member)), "{heard:?}");
}

#[tokio::test]
async fn stores_gateways_and_services_read_with_their_consumers() {
    let env = TestEnv::start(&both()).await;
    let (ingest, notification) = (env.js("ingest").await, env.js("notification").await);
    for subject in ["receipt.v1.SH01", "receipt.v1.SH02"] {
        ingest.publish(subject, "{}".into()).await.expect("sent").await.expect("receipt");
    }
    notification.publish("notify.v1.sms.SH01", "{}".into()).await.expect("sent").await.expect("command");

    for (user, stream, filter) in [
        ("SH01", "RECEIPTS", "receipt.v1.SH01"),
        ("gateway_sms", "NOTIFY", "notify.v1.sms.*"),
        ("local", "RECEIPTS", "receipt.v1.SH02"),
        ("operator", "NOTIFY", "notify.v1.>"),
        ("member", "EVENTS", "evt.>"),
        ("ingest", "POS", "pos.v1.>"),
    ] {
        let stream = env.js(user).await.get_stream(stream).await.expect("stream");
        let config = pull::Config {
            durable_name: Some(user.to_owned()),
            filter_subject: filter.to_owned(),
            ack_policy: AckPolicy::Explicit,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.unwrap_or_else(|error| panic!("{user}: {error}"));
        if !["EVENTS", "POS"].contains(&stream.cached_info().config.name.as_str()) {
            let mut batch = consumer.fetch().max_messages(5).expires(Duration::from_secs(2)).messages().await.expect("fetch");
            let message = batch.next().await.expect("message").expect("message");
            message.double_ack().await.unwrap_or_else(|error| panic!("{user}: {error}"));
        }
    }
    // Another store's receipts can't be asked for.
    let (client, refusals) = watched(&env, "SH01").await;
    let stream = async_nats::jetstream::new(client).get_stream("RECEIPTS").await.expect("stream");
    let other = pull::Config { durable_name: Some("SH01".into()), filter_subject: "receipt.v1.>".into(), ..pull::Config::default() };
    let asked = tokio::spawn(async move { stream.create_consumer(other).await.is_ok() });
    eventually(SOON, || async { (!refusals.lock().expect("lock").is_empty()).then_some(()) }).await;
    asked.abort();
}

#[tokio::test]
async fn streams_stand_as_declared_and_are_corrected() {
    let env = TestEnv::start(&[]).await;
    let (client, js) = (env.nats("provisioner").await, env.js("provisioner").await);
    for spec in streams::SPECS {
        let config = js.get_stream(spec.name).await.expect("stream").cached_info().config.clone();
        assert_eq!((config.max_age, config.max_bytes, config.duplicate_window), (spec.max_age, spec.max_bytes, spec.duplicate_window));
        assert!(config.deny_delete && config.discard == DiscardPolicy::New && config.storage == StorageType::File);
    }
    let mut changed = js.get_stream("NOTIFY").await.expect("stream").cached_info().config.clone();
    (changed.max_age, changed.max_bytes) = (Duration::from_hours(1), changed.max_bytes * 2);
    js.update_stream(&changed).await.expect("changed");
    streams::ensure_streams(&client, 1).await.expect("ensured");
    let corrected = js.get_stream("NOTIFY").await.expect("stream").cached_info().config.clone();
    assert_eq!((corrected.max_age, corrected.max_bytes), (Duration::from_hours(72), changed.max_bytes), "never made smaller");

    js.delete_stream("RECEIPTS").await.expect("deleted");
    let memory = async_nats::jetstream::stream::Config {
        name: "RECEIPTS".into(),
        subjects: vec!["receipt.v1.>".into()],
        storage: StorageType::File,
        retention: async_nats::jetstream::stream::RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    js.create_stream(memory).await.expect("another one");
    let error = streams::ensure_streams(&client, 1).await.expect_err("can't be changed").to_string();
    assert!(error.contains("RECEIPTS") && error.contains("WorkQueue"), "{error}");
}
