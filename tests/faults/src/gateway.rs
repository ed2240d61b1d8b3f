//! The SMS gateway: takes commands, remembers what it has sent, and reports. A command that comes again is not sent again,
//! but its report is repeated.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use async_nats::jetstream;
use chrono::Utc;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    follow::{Follower, Heard},
    stores::of_stores,
};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const AGAIN: Duration = Duration::from_millis(300);
/// A report's acknowledgement.
const ACK_WAIT: Duration = Duration::from_secs(2);

/// What customers got, by the message's id: the first content, and every other one.
pub type Inboxes = BTreeMap<String, Vec<Value>>;

/// How it reports on a telephone.
pub fn fate_of(phone: &str) -> &'static str {
    match phone.chars().last() {
        Some('7') => "failed",
        // It never hears what became of these.
        Some('3') => "unknown",
        _ => "delivered",
    }
}

/// The gateway, running.
pub struct Gateway {
    task: JoinHandle<Inboxes>,
    reported: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
}

impl Gateway {
    /// Serves the commands for these stores.
    pub fn start(nats: &async_nats::Client, notify: Arc<Follower>, from: usize, stores: Vec<String>) -> Self {
        let mut js = jetstream::new(nats.clone());
        js.set_timeout(ACK_WAIT);
        let ((said, reported), (stop, stopped)) = (watch::channel(from), watch::channel(false));
        let task = tokio::spawn(async move {
            let mut inboxes = Inboxes::new();
            let mut place = from;
            loop {
                let heard = notify.since(place);
                let all = heard.len();
                for command in of_stores(heard, &stores) {
                    let id = put(&mut inboxes, &command);
                    let phone = command.data()["to"]["phone"].as_str().unwrap_or_default().to_owned();
                    for status in ["accepted", fate_of(&phone)] {
                        report(&js, &id, status).await;
                    }
                }
                place += all;
                said.send_replace(place);
                // Whatever came before the stop has been served.
                if *stopped.borrow() && all == 0 {
                    return inboxes;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { task, reported, stop }
    }

    /// How much of the stream it has served.
    pub fn served(&self) -> usize {
        *self.reported.borrow()
    }

    /// Ends it; gives what customers got.
    pub async fn end(self) -> Result<Inboxes> {
        self.stop.send_replace(true);
        Ok(self.task.await?)
    }
}

/// Takes a command; gives the message's id.
fn put(inboxes: &mut Inboxes, command: &Heard) -> String {
    let id = command.text("notification_id").to_owned();
    let contents = inboxes.entry(id.clone()).or_default();
    if !contents.contains(&command.json) {
        contents.push(command.json.clone());
    }
    id
}

/// What a gateway would have got that never looked.
pub fn would_have_got(commands: &[Heard]) -> Inboxes {
    let mut inboxes = Inboxes::new();
    for command in commands {
        put(&mut inboxes, command);
    }
    inboxes
}

async fn report(js: &jetstream::Context, id: &str, status: &str) {
    #[expect(clippy::disallowed_methods, reason = "the gateway's own clock")]
    let receipt = json!({ "notification_id": id, "status": status, "provider_id": id, "code": "OK", "at": Utc::now() });
    loop {
        let sent = js.publish("gateway.v1.sms.receipt", receipt.to_string().into()).await;
        if let Ok(ack) = sent
            && ack.await.is_ok()
        {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
