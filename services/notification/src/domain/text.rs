//! A template and its parameters become a text.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::Language,
    notify::Channel,
    program::{AppliedProgram, MessageTemplate},
};
use jifen_kernel::StoreCode;
use minijinja::{Environment, UndefinedBehavior, value::Serde};

use super::{
    fields::fields_of,
    occasion::Facts,
    params::{BadOccasion, params_of},
};

/// The text doesn't render. `program check` lets none pass that doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text can't be rendered")]
pub struct BadText;

/// Renders `text`; a parameter that isn't there is an error, never an empty place in a message. The environment has no filters,
/// no functions and no loader: a text can do nothing but name parameters.
pub fn render(text: &str, params: &BTreeMap<String, String>) -> Result<String, BadText> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(text, Serde(params)).map_err(|_| BadText)
}

/// How a message reads on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The provider's template.
    pub template: String,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// The data fields of a subscription message.
    pub fields: BTreeMap<String, String>,
    /// The language, if it isn't Chinese.
    pub language: Option<String>,
    /// The text, with the signature that an SMS must carry.
    pub text: String,
}

/// Writes a message for a channel, in a language if the template has it.
pub fn written(
    facts: &Facts,
    store: &StoreCode,
    applied: &AppliedProgram,
    template: &MessageTemplate,
    (channel, wished): (Channel, Language),
    now: DateTime<Utc>,
) -> Result<Written, BadOccasion> {
    let language = if wished == Language::En && template.text_en.is_some() { Language::En } else { Language::Zh };
    let params = params_of(facts, store, &applied.program, language, now)?;
    written_with(params, applied, template, (channel, language))
}

/// The same with these parameters.
pub fn written_with(
    params: BTreeMap<String, String>,
    applied: &AppliedProgram,
    template: &MessageTemplate,
    (channel, language): (Channel, Language),
) -> Result<Written, BadOccasion> {
    let way = template.ways.get(&channel);
    let body = body_of(template, applied, channel, language);
    let body = render(&body, &params).map_err(|_| BadOccasion::BadText(template.kind.as_str()))?;
    Ok(Written {
        template: way.map_or_else(|| template.template.clone(), |way| way.template.clone()),
        fields: way.map_or_else(|| Ok(BTreeMap::new()), |way| fields_of(&way.fields, &params))?,
        params,
        language: (language == Language::En).then(|| "en".to_owned()),
        text: if channel == Channel::Sms { format!("【{}】{body}", applied.program.messages.sign) } else { body },
    })
}

/// The channel's own text, else that of the SMS: without its opt-out words, which mean nothing elsewhere.
fn body_of(template: &MessageTemplate, applied: &AppliedProgram, channel: Channel, language: Language) -> String {
    let limits = &applied.program.messages.limits;
    let way = template.ways.get(&channel);
    let (own, usual, words) = match language {
        Language::En => (way.and_then(|way| way.text_en.as_ref()), template.text_en.as_ref(), &limits.opt_out_en),
        Language::Zh => (way.and_then(|way| way.text.as_ref()), None, &limits.opt_out),
    };
    let usual = usual.unwrap_or(&template.text);
    match own {
        Some(own) => own.clone(),
        None if channel == Channel::Sms => usual.clone(),
        None => usual.strip_suffix(words.as_str()).unwrap_or(usual).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in_as_they_are() {
        let params = BTreeMap::from([("a", "1<2"), ("b", "{{ a }}")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(render("得{{ a }}分{{b}}。", &params).as_deref(), Ok("得1<2分{{ a }}。"));
        for text in ["{{ c }}", "{{ a", "{{ a | upper }}", "{% include 'x' %}"] {
            assert_eq!(render(text, &params), Err(BadText), "{text}");
        }
    }
}
