//! What can be asked.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    Problem, code,
    endpoint::{
        CountsReply, Empty, HistoryReply, HistoryRequest, Language, MemberGet, MemberRequest, MessageHistory, MessagePreview,
        NotificationCounts, PreviewReply, PreviewRequest,
    },
    program::{AppliedProgram, MessageKind},
};
use jifen_runtime::{Ctx, Failure, Query, ask};

use crate::{
    domain::{fields::cut, text::written_with},
    store,
};

/// Messages that one answer lists, at most and if not said.
const HISTORY: (u32, u32) = (200, 50);

/// Messages by kind and state.
#[derive(Debug)]
pub struct Counts;

fn unavailable(error: sqlx::Error) -> Problem {
    Problem::new(code::SERVICE_UNAVAILABLE).detail(Failure::from(error).to_string())
}

impl Query for Counts {
    type Endpoint = NotificationCounts;

    async fn answer(&self, cx: &Ctx, _: Empty) -> Result<CountsReply, Problem> {
        let now: DateTime<Utc> = cx.clock.now();
        Ok(CountsReply { counts: store::counts::count(&cx.pool, now).await.map_err(unavailable)? })
    }
}

/// How a message reads.
#[derive(Debug)]
pub struct Preview;

impl Query for Preview {
    type Endpoint = MessagePreview;

    async fn answer(&self, cx: &Ctx, request: PreviewRequest) -> Result<PreviewReply, Problem> {
        let applied = cx.programs.newest().ok_or_else(|| Problem::new(code::SERVICE_UNAVAILABLE).detail("no program is known yet"))?;
        preview(&applied, &request)
    }
}

fn preview(applied: &AppliedProgram, request: &PreviewRequest) -> Result<PreviewReply, Problem> {
    let wrong = |at: &str, why: String| Problem::new(code::REQUEST_MALFORMED).detail(why).at(at.to_owned());
    let template = applied.program.messages.template(request.kind);
    let template = template.ok_or_else(|| wrong("/kind", format!("the program has no text of kind {}", request.kind.as_str())))?;
    let channel = request.channel.unwrap_or(template.order()[0]);
    let language = match request.language.as_deref() {
        None | Some("zh") => Language::Zh,
        Some("en") if template.text_en.is_some() => Language::En,
        Some("en") => return Err(wrong("/language", "this message has no English text".to_owned())),
        Some(_) => return Err(wrong("/language", "language is zh or en".to_owned())),
    };
    let known = request.kind.params();
    if let Some(other) = request.params.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(wrong("/params", format!("{} is unknown: this kind has {}", cut(other, 32), known.join(", "))));
    }
    let value = |name: &&str| {
        let form = MessageKind::form(name);
        let value = request.params.get(*name).map_or_else(|| form.sample().to_owned(), |value| cut(value, form.chars()));
        ((*name).to_owned(), value)
    };
    let params = known.iter().map(value).collect();
    let written = written_with(params, applied, template, (channel, language)).map_err(|bad| wrong("/params", bad.to_string()))?;
    Ok(PreviewReply {
        version: applied.version,
        channel,
        class: template.class,
        template: written.template,
        params: written.params,
        fields: written.fields,
        chars: u32::try_from(written.text.chars().count()).unwrap_or(u32::MAX),
        text: written.text,
    })
}

/// What a member was told.
#[derive(Debug)]
pub struct History;

impl Query for History {
    type Endpoint = MessageHistory;

    async fn answer(&self, cx: &Ctx, request: HistoryRequest) -> Result<HistoryReply, Problem> {
        let member = ask::<MemberGet>(&cx.nats, &MemberRequest { member_no: request.member_no }).await?;
        let limit = request.limit.unwrap_or(HISTORY.1).clamp(1, HISTORY.0);
        let messages = store::history::list(&cx.pool, member.member_id, i64::from(limit)).await.map_err(unavailable)?;
        Ok(HistoryReply { messages })
    }
}
