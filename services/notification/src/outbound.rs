//! What is said: commands to gateways, and how they ended.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{NotificationDelivered, NotificationFailed},
    notify::{COMMAND_TYPE, Channel, Command, GatewayReceipt},
    subject,
};
use jifen_kernel::StoreCode;
use jifen_runtime::{Outbox, message::Cause};
use uuid::Uuid;

use crate::{domain::delivery::Delivery, store::delivery::Sent};

/// A command to the channel's gateways. It holds the member's address, so it rests sealed.
pub fn command(out: &mut Outbox, cause: &Cause, channel: Channel, store: &StoreCode, command: &Command) {
    out.message(cause, subject::notify(channel.as_str(), store), COMMAND_TYPE.to_owned(), Some(store.to_string()), None, true, command);
}

/// The member has the message.
pub fn delivered(out: &mut Outbox, cause: &Cause, sent: &Sent, receipt: &GatewayReceipt) {
    let event = NotificationDelivered {
        notification_id: receipt.notification_id,
        member_id: sent.member_id,
        kind: sent.kind.clone(),
        channel: sent.channel.clone(),
        at: receipt.at,
    };
    out.event(cause, None, &event);
}

/// The message will not arrive.
pub fn failed(out: &mut Outbox, cause: &Cause, notification_id: Uuid, sent: &Sent, delivery: &Delivery, at: DateTime<Utc>) {
    let event = NotificationFailed {
        notification_id,
        member_id: sent.member_id,
        kind: sent.kind.clone(),
        channel: sent.channel.clone(),
        code: delivery.provider_code.clone(),
        at,
    };
    out.event(cause, None, &event);
}
