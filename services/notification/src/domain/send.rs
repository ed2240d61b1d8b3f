//! Whether an occasion is told, when, on which way, and in which words.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::{Contact, MemberStatus},
    notify::{Channel, Command, MessageClass, Recipient},
    program::{AppliedProgram, MessageKind, MessageTemplate},
};
use jifen_kernel::{MemberId, StoreCode};
use uuid::Uuid;

use super::{
    occasion::{Facts, Occasion},
    params::BadOccasion,
    text::written,
    timing,
};

/// An occasion decided: it takes its key whatever the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Whom.
    pub member_id: MemberId,
    /// What kind.
    pub kind: MessageKind,
    /// What makes it this occasion.
    pub business_key: String,
    /// Counts the ways that were tried, from 1.
    pub attempt: i16,
    /// The message's own id.
    pub notification_id: Uuid,
    /// Where it happened.
    pub store: StoreCode,
    /// Whose texts.
    pub program_version: u32,
    /// The way; where it waits, the first that will be tried.
    pub channel: Channel,
    /// To a gateway, or not, or later.
    pub outcome: Outcome,
    /// What must be kept to tell it later, or on another way.
    pub keep: bool,
}

/// What becomes of an occasion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A gateway shall send this.
    Commanded(Box<Command>),
    /// It is decided upon when it is due; contacts and consents are asked then.
    Waiting {
        /// When.
        due_at: DateTime<Utc>,
        /// From then on it is not sent any more.
        drop_at: DateTime<Utc>,
    },
    /// Nothing is sent, ever.
    Suppressed(Why),
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The member has not agreed to messages of this class on any way on which there is an address.
    NoConsent,
    /// There is no such member any more, or none who can be reached.
    NoContact,
    /// The program has no text of this kind.
    NoTemplate,
    /// The member hasn't activated the registration.
    NotActive,
    /// Its time was over before it could be sent.
    Expired,
    /// The member has had as much advertising this week as is allowed.
    WeeklyCap,
    /// A value doesn't fit into its field, or what was kept can't be read.
    Unfit,
}

impl Why {
    /// As stored and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::NoContact => "no_contact",
            Self::NoTemplate => "no_template",
            Self::NotActive => "not_active",
            Self::Expired => "expired",
            Self::WeeklyCap => "weekly_cap",
            Self::Unfit => "unfit",
        }
    }
}

/// Decides one occasion under the program that it names. What is not advertising goes out at once: `contact` is the member's, as of
/// now, since consent is read when the command is written. Advertising always waits, if only a moment: one job sends all of it,
/// so that no number of copies sends a member more than a week allows.
pub fn decide_send(
    occasion: &Occasion,
    applied: &AppliedProgram,
    contact: Option<&Contact>,
    notification_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Send, BadOccasion> {
    let (kind, messages) = (occasion.facts.kind(), &applied.program.messages);
    let mut send = Send {
        member_id: occasion.member_id,
        kind,
        business_key: occasion.business_key.clone(),
        attempt: 1,
        notification_id,
        store: occasion.store.clone(),
        program_version: applied.version,
        channel: Channel::Sms,
        outcome: Outcome::Suppressed(Why::NoTemplate),
        keep: false,
    };
    let Some(template) = messages.template(kind) else { return Ok(send) };
    send.channel = template.order()[0];
    let drop_at = drop_at(&occasion.facts, applied, template, now);
    if template.class == MessageClass::Promotion {
        let due_at = timing::next_allowed(now, applied.program.time_zone(), &messages.limits);
        send.keep = due_at < drop_at;
        send.outcome = if send.keep { Outcome::Waiting { due_at, drop_at } } else { Outcome::Suppressed(Why::Expired) };
        return Ok(send);
    }
    let message = Message { facts: &occasion.facts, store: &occasion.store, applied, template, notification_id };
    match message.route(contact, 0, drop_at, now)? {
        Route::By { command, channel, more } => {
            (send.channel, send.keep, send.outcome) = (channel, more, Outcome::Commanded(command));
        }
        Route::None(why) => send.outcome = Outcome::Suppressed(why),
    }
    Ok(send)
}

/// Until when a message that is decided upon `now` may be sent.
pub fn drop_at(facts: &Facts, applied: &AppliedProgram, template: &MessageTemplate, now: DateTime<Utc>) -> DateTime<Utc> {
    let valid = now + template.valid_for();
    facts.stale_from(applied.program.time_zone()).map_or(valid, |stale| stale.min(valid))
}

/// A message that is to go out now.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What there is to tell.
    pub facts: &'a Facts,
    /// Where it happened.
    pub store: &'a StoreCode,
    /// Whose texts.
    pub applied: &'a AppliedProgram,
    /// Which one.
    pub template: &'a MessageTemplate,
    /// The message's own id.
    pub notification_id: Uuid,
}

/// On which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// On this one.
    By {
        /// The command.
        command: Box<Command>,
        /// The way.
        channel: Channel,
        /// There are others behind it.
        more: bool,
    },
    /// On none.
    None(Why),
}

impl Message<'_> {
    /// The first way, from the `first` of the kind's order on, on which there is an address, consent, and room for the values.
    pub fn route(
        &self,
        contact: Option<&Contact>,
        first: usize,
        not_after: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Route, BadOccasion> {
        let Some(contact) = contact else { return Ok(Route::None(Why::NoContact)) };
        if contact.status != MemberStatus::Active && !self.facts.is_about_activation() {
            return Ok(Route::None(Why::NotActive));
        }
        if not_after <= now {
            return Ok(Route::None(Why::Expired));
        }
        let mut why = Why::NoContact;
        let order = self.template.order();
        for (place, channel) in order.iter().copied().enumerate().skip(first) {
            let Some(to) = address(contact, channel) else { continue };
            if !agreed(contact, channel, self.template.class) {
                why = Why::NoConsent;
                continue;
            }
            match self.command(contact, channel, to, not_after, now) {
                Ok(command) => return Ok(Route::By { command: Box::new(command), channel, more: place + 1 < order.len() }),
                Err(BadOccasion::Unfit(_)) => why = Why::Unfit,
                Err(bad) => return Err(bad),
            }
        }
        Ok(Route::None(why))
    }

    fn command(
        &self,
        contact: &Contact,
        channel: Channel,
        to: Recipient,
        not_after: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Command, BadOccasion> {
        let written = written(self.facts, self.store, self.applied, self.template, (channel, contact.language), now)?;
        Ok(Command {
            notification_id: self.notification_id,
            kind: self.template.kind.as_str().to_owned(),
            class: self.template.class,
            to,
            sign: self.applied.program.messages.sign.clone(),
            template: written.template,
            params: written.params,
            fields: written.fields,
            language: written.language,
            text: written.text,
            not_after,
        })
    }
}

/// The member's address on a channel. The vault knows none for the app and for e-mail yet.
fn address(contact: &Contact, channel: Channel) -> Option<Recipient> {
    match channel {
        Channel::Sms => Some(Recipient { phone: Some(contact.phone.clone()), ..Recipient::default() }),
        Channel::Wechat => contact.wechat_openid.clone().map(|id| Recipient { wechat_openid: Some(id), ..Recipient::default() }),
        Channel::App | Channel::Email => None,
    }
}

/// A code to prove a phone is asked for by the member, there and then: it needs no consent.
fn agreed(contact: &Contact, channel: Channel, class: MessageClass) -> bool {
    let consent = || format!("{}:{}", channel.as_str(), class.as_str());
    class == MessageClass::Verify || contact.consents.contains(&consent())
}

#[cfg(test)]
mod tests;
