//! From bytes to fields: every step that can fail names its code and place.

use std::fmt::Display;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate};
use jifen_kernel::{BadMoney, Money, PersonName, StoreCode};
use serde_json::{Map, Value};

use crate::{
    code::{self, Code},
    strict,
};

/// A document may have this many bytes; more is refused with a receipt (up to the server's own limit of 1 MiB).
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// And this many lines.
pub const MAX_LINES: usize = 500;
/// Numbers of documents, work orders, advisors and the like.
pub(super) const MAX_CODE_CHARS: usize = 64;
/// Descriptions and reasons.
pub(super) const MAX_TEXT_CHARS: usize = 1_000;
/// Names of people.
pub(super) const MAX_NAME_CHARS: usize = 64;
/// Consents of one sign-up: more than there are channels and purposes.
pub(super) const MAX_CONSENTS: usize = 20;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {detail}{}", code.code, pointer.as_deref().map(|p| format!(" (at {p})")).unwrap_or_default())]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// JSON pointer into the document's data.
    pub pointer: Option<String>,
    /// What exactly, in English. Never holds a value of the document.
    pub detail: String,
}

impl Fault {
    /// A fault of the document as a whole.
    pub fn new(code: Code) -> Self {
        Self { code, pointer: None, detail: code.en.to_owned() }
    }

    /// At a place.
    pub fn at(code: Code, pointer: impl Into<String>) -> Self {
        Self { code, pointer: Some(pointer.into()), detail: code.en.to_owned() }
    }

    /// With a closer description.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// A document out of its envelope.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The envelope's id, if the store sent a structured CloudEvent.
    pub event_id: Option<String>,
    /// The envelope's trace context, if it has one.
    pub traceparent: Option<String>,
    /// The content.
    pub data: Map<String, Value>,
}

/// Opens a message: a structured CloudEvent if its object has `specversion`, else the bare data.
pub fn open(bytes: &[u8]) -> Result<Opened, Fault> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(Fault::new(code::DOCUMENT_TOO_LARGE).detail(format!("{} bytes, at most {MAX_DOCUMENT_BYTES}", bytes.len())));
    }
    let mut object = strict::object(bytes).map_err(|why| Fault::new(code::DOCUMENT_UNDECODABLE).detail(why.to_string()))?;
    let Some(version) = object.get("specversion") else {
        return Ok(Opened { event_id: None, traceparent: None, data: object });
    };
    if version.as_str() != Some("1.0") {
        return Err(Fault::new(code::DOCUMENT_BAD_ENVELOPE).detail("specversion is not \"1.0\""));
    }
    // Without control characters: it is stored and repeated in receipts.
    let fits = |id: &&str| (1..=256).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    let Some(id) = object.get("id").and_then(Value::as_str).filter(fits).map(str::to_owned) else {
        let detail = "the envelope's id is not a text of 1 to 256 characters without control characters";
        return Err(Fault::new(code::DOCUMENT_BAD_ENVELOPE).detail(detail));
    };
    let traceparent = object.get("traceparent").and_then(Value::as_str).map(str::to_owned);
    match object.remove("data") {
        Some(Value::Object(data)) => Ok(Opened { event_id: Some(id), traceparent, data }),
        Some(_) => Err(Fault::new(code::DOCUMENT_BAD_ENVELOPE).detail("the envelope's data is not an object")),
        None => Err(Fault::new(code::DOCUMENT_BAD_ENVELOPE).detail("the envelope has no data")),
    }
}

/// Reads the fields of one object, and knows where it stands.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

impl<'a> Reader<'a> {
    pub(super) fn root(object: &'a Map<String, Value>) -> Self {
        Self { object, place: String::new() }
    }

    pub(super) fn pointer(&self, key: &str) -> String {
        format!("{}/{key}", self.place)
    }

    fn bad(&self, key: &str, expected: &str) -> Fault {
        Fault::at(code::DOCUMENT_BAD_FIELD, self.pointer(key)).detail(format!("{key} must be {expected}"))
    }

    /// The value, if it is there and not null.
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn required<T>(&self, key: &str, found: Option<T>) -> Result<T, Fault> {
        found.ok_or_else(|| Fault::at(code::DOCUMENT_MISSING_FIELD, self.pointer(key)).detail(format!("{key} is missing")))
    }

    /// The document's store.
    pub(super) fn store(&self) -> Result<StoreCode, Fault> {
        let store = self.required("store", self.text("store")?)?;
        StoreCode::try_new(store).map_err(|why| self.wrong("store", &why))
    }

    /// A field whose own type says what is wrong with it. Such texts never quote the value.
    fn wrong(&self, key: &str, why: &dyn Display) -> Fault {
        Fault::at(code::DOCUMENT_BAD_FIELD, self.pointer(key)).detail(why.to_string())
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        self.value(key).map(|value| value.as_str().ok_or_else(|| self.bad(key, "a text"))).transpose()
    }

    /// A short text without control characters: a number or code that will be shown and indexed.
    pub(super) fn short(&self, key: &str) -> Result<Option<String>, Fault> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let fits = !text.is_empty() && text.chars().count() <= MAX_CODE_CHARS && !text.chars().any(char::is_control);
        let trimmed = text.trim() == text;
        (fits && trimmed)
            .then(|| Some(text.to_owned()))
            .ok_or_else(|| self.bad(key, "a text of 1 to 64 characters without control characters and outer blanks"))
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T, E: Display>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, Fault> {
        self.text(key)?.map(parse).transpose().map_err(|why| self.wrong(key, &why))
    }

    /// The same, where blanks say nothing: DMS exports fill what they don't know with empty texts.
    pub(super) fn filled<T, E: Display>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, Fault> {
        if self.is_blank(key)? { Ok(None) } else { self.parsed(key, parse) }
    }

    /// A short text, where blanks say nothing.
    pub(super) fn filled_short(&self, key: &str) -> Result<Option<String>, Fault> {
        if self.is_blank(key)? { Ok(None) } else { self.short(key) }
    }

    fn is_blank(&self, key: &str) -> Result<bool, Fault> {
        Ok(self.text(key)?.is_none_or(|text| text.trim().is_empty()))
    }

    /// A person's name: 1 to 64 characters, not only blanks.
    pub(super) fn name(&self, key: &str) -> Result<Option<PersonName>, Fault> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let fits = text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control);
        let name = PersonName::try_new(text).ok().filter(|_| fits);
        name.map(Some).ok_or_else(|| self.bad(key, "a name of 1 to 64 characters without control characters"))
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.value(key).map(|value| value.as_bool().ok_or_else(|| self.bad(key, "true or false"))).transpose()
    }

    /// A day of the calendar, from 1900 to 2199.
    pub(super) fn day(&self, key: &str) -> Result<Option<NaiveDate>, Fault> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| (1900..=2199).contains(&day.year()));
        // The parser takes "1990-5-1" as well.
        day.filter(|day| day.to_string() == text).map(Some).ok_or_else(|| self.bad(key, "a day such as 1990-05-01"))
    }

    /// A list of `<channel>:<purpose>`.
    pub(super) fn consents(&self, key: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() <= MAX_CONSENTS);
        let list = list.ok_or_else(|| self.bad(key, &format!("a list of at most {MAX_CONSENTS}")))?;
        let word = |word: &str| (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let read = list.iter().enumerate().map(|(index, item)| {
            let consent =
                item.as_str().filter(|text| text.split_once(':').is_some_and(|(channel, purpose)| word(channel) && word(purpose)));
            let place = format!("{}/{index}", self.pointer(key));
            let bad = || Fault::at(code::DOCUMENT_BAD_FIELD, place).detail("a consent is <channel>:<purpose>, as in sms:service");
            consent.map(str::to_owned).ok_or_else(bad)
        });
        read.collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn long(&self, key: &str) -> Result<Option<String>, Fault> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let fits = text.chars().count() <= MAX_TEXT_CHARS && !text.contains('\0');
        fits.then(|| Some(text.to_owned())).ok_or_else(|| self.bad(key, "a text of at most 1000 characters"))
    }

    pub(super) fn number(&self, key: &str, max: u32) -> Result<Option<u32>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= max);
        number.map(Some).ok_or_else(|| self.bad(key, &format!("a whole number from 0 to {max}")))
    }

    pub(super) fn money(&self, key: &str) -> Result<Option<Money>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let bad = |why: &BadMoney| Fault::at(code::DOCUMENT_BAD_AMOUNT, self.pointer(key)).detail(why.to_string());
        let text = value.as_str().ok_or_else(|| bad(&BadMoney::Malformed))?;
        Money::try_new(text).map(Some).map_err(|why| bad(&why))
    }

    pub(super) fn instant(&self, key: &str) -> Result<Option<DateTime<FixedOffset>>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let bad = || Fault::at(code::DOCUMENT_BAD_DATE, self.pointer(key));
        let at = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).ok_or_else(bad)?;
        // Outside these years no business date is meant, and calendars and databases begin to disagree.
        (2000..=2199).contains(&at.year()).then_some(Some(at)).ok_or_else(bad)
    }

    pub(super) fn object(&self, key: &str) -> Result<Option<Reader<'a>>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let object = value.as_object().ok_or_else(|| self.bad(key, "an object"))?;
        Ok(Some(Reader { object, place: self.pointer(key) }))
    }

    pub(super) fn objects(&self, key: &str) -> Result<Option<Vec<Reader<'a>>>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let list = value.as_array().ok_or_else(|| self.bad(key, "a list"))?;
        if list.len() > MAX_LINES {
            return Err(
                Fault::at(code::DOCUMENT_TOO_MANY_LINES, self.pointer(key)).detail(format!("{} entries, at most {MAX_LINES}", list.len()))
            );
        }
        let place = |index: usize| format!("{}/{key}/{index}", self.place);
        let read = list.iter().enumerate().map(|(index, item)| match item.as_object() {
            Some(object) => Ok(Reader { object, place: place(index) }),
            None => Err(Fault::at(code::DOCUMENT_BAD_FIELD, place(index)).detail("an entry must be an object")),
        });
        read.collect::<Result<_, _>>().map(Some)
    }
}
