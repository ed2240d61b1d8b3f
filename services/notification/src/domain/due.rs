//! What becomes of a message that waited, now that it is due.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::Contact,
    notify::{Channel, Command, MessageClass},
    program::{AppliedProgram, MessageLimits},
};
use jifen_kernel::{MemberId, StoreCode};
use uuid::Uuid;

use super::{
    occasion::Facts,
    params::BadOccasion,
    send::{Message, Route, Why},
    timing,
};

/// A message that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Whom.
    pub member_id: MemberId,
    /// Its kind, as stored.
    pub kind: String,
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
    /// The first way that is tried now.
    pub channel: Channel,
    /// From then on it is not sent any more.
    pub drop_at: DateTime<Utc>,
    /// What there is to tell, sealed.
    pub sealed: Vec<u8>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A gateway shall send it.
    Send {
        /// The command.
        command: Box<Command>,
        /// The way.
        channel: Channel,
        /// There are others behind it.
        more: bool,
        /// It counts for the member's week.
        counts: bool,
    },
    /// Not yet.
    Later(DateTime<Utc>),
    /// Never.
    Drop(Why),
}

/// Decides under the texts of the version that the message names, and the limits in force now. `used` is what the member has had of
/// advertising this week; another way of the same message doesn't count again.
pub fn decide_due(
    waiting: &Waiting,
    facts: &Facts,
    applied: &AppliedProgram,
    limits: &MessageLimits,
    contact: Option<&Contact>,
    used: u32,
    now: DateTime<Utc>,
) -> Result<Due, BadOccasion> {
    let Some(template) = applied.program.messages.template(facts.kind()) else { return Ok(Due::Drop(Why::NoTemplate)) };
    if waiting.drop_at <= now {
        return Ok(Due::Drop(Why::Expired));
    }
    let is_promotion = template.class == MessageClass::Promotion;
    let mut not_after = waiting.drop_at;
    if is_promotion {
        let zone = applied.program.time_zone();
        let allowed = timing::next_allowed(now, zone, limits);
        if allowed > now {
            return Ok(if allowed < waiting.drop_at { Due::Later(allowed) } else { Due::Drop(Why::Expired) });
        }
        // A slow gateway keeps the quiet hours, too.
        not_after = timing::quiet_from(now, zone, limits).map_or(not_after, |quiet| quiet.min(not_after));
    }
    let counts = is_promotion && waiting.attempt == 1;
    let first = template.order().iter().position(|channel| *channel == waiting.channel).unwrap_or(0);
    let message = Message { facts, store: &waiting.store, applied, template, notification_id: waiting.notification_id };
    Ok(match message.route(contact, first, not_after, now)? {
        Route::None(why) => Due::Drop(why),
        Route::By { .. } if counts && used >= limits.promotions_a_week => Due::Drop(Why::WeeklyCap),
        Route::By { command, channel, more } => Due::Send { command, channel, more, counts },
    })
}
