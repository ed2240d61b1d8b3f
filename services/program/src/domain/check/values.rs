//! What a value must be: each function reads one, or says what to write instead.

use std::{fmt::Display, ops::RangeInclusive};

use chrono::{Datelike, NaiveDate};
use jifen_contracts::code::Text;
use jifen_kernel::{Money, Points, Rate, StoreCode, Token};
use serde::de::DeserializeOwned;
use toml::Value;

use crate::domain::version::{FIRST_DAY, LAST_DAY};

/// The most points that any rule may name: far above every real one, far below the edge of a JSON number.
pub(super) const MOST_POINTS: i64 = 999_999_999_999;

/// Text of so many characters, without control characters.
pub(super) fn text(length: RangeInclusive<usize>) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let text = string(value)?;
        if text.chars().any(char::is_control) {
            return Err("must not have line breaks or other control characters".to_owned());
        }
        if text.trim() != text {
            return Err("must not begin or end with a blank".to_owned());
        }
        let count = text.chars().count();
        if length.contains(&count) {
            return Ok(text.to_owned());
        }
        Err(format!("has {count} characters: {} to {} are allowed", length.start(), length.end()))
    }
}

/// A text as written.
pub(super) fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a text in quotes".to_owned())
}

/// `{ zh = "…", en = "…" }`.
pub(super) fn names(value: &Value) -> Result<Text, String> {
    let wanted = || "must be { zh = \"…\", en = \"…\" }".to_owned();
    let fields = value.as_table().ok_or_else(wanted)?;
    if let Some(other) = fields.keys().find(|key| !["zh", "en"].contains(&key.as_str())) {
        return Err(format!("{}: {other} is unknown", wanted()));
    }
    let one = |language: &str| {
        let value = fields.get(language).ok_or_else(|| format!("{}: {language} is missing", wanted()))?;
        text(1..=40)(value).map_err(|why| format!("{language} {why}"))
    };
    Ok(Text::new(one("zh")?, one("en")?))
}

/// True or false.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// A store's code.
pub(super) fn store_code(value: &Value) -> Result<StoreCode, String> {
    StoreCode::try_new(string(value)?).map_err(|why| why.to_string())
}

/// Any other code.
pub(super) fn token(value: &Value) -> Result<Token, String> {
    Token::try_new(string(value)?).map_err(|why| why.to_string())
}

/// A whole number.
pub(super) fn whole(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Result<u32, String> {
    move |value| {
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A number of points from `least`.
pub(super) fn points(least: i64) -> impl Fn(&Value) -> Result<Points, String> {
    move |value| {
        let number = value.as_integer().filter(|number| (least..=MOST_POINTS).contains(number));
        number.map(Points).ok_or_else(|| format!("must be a whole number of points from {least} to {MOST_POINTS}"))
    }
}

/// A rate or factor: `"1.5"`, or a whole number with or without quotes.
pub(super) fn rate(value: &Value) -> Result<Rate, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => return Err(format!("write it in quotes, \"{number}\": a number with a point isn't exact otherwise")),
        _ => return Err("must be a decimal in quotes, \"1.5\"".to_owned()),
    };
    Rate::try_new(&text).map_err(|why| why.to_string())
}

/// An amount in yuan above zero: `"500.00"`, or whole yuan without quotes.
pub(super) fn money(value: &Value) -> Result<Money, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        _ => return Err("must be an amount in yuan in quotes, \"500.00\"".to_owned()),
    };
    let amount = Money::try_new(&text).map_err(|why| why.to_string())?;
    if amount.is_positive() { Ok(amount) } else { Err("must be above zero".to_owned()) }
}

/// The fields of an inline table that has exactly these keys.
pub(super) fn fields<'a, const N: usize>(value: &'a Value, keys: [&'static str; N]) -> Result<[&'a Value; N], String> {
    let wanted = || format!("must be {{ {} }}", keys.map(|key| format!("{key} = …")).join(", "));
    let fields = value.as_table().ok_or_else(wanted)?;
    if let Some(other) = fields.keys().find(|key| !keys.contains(&key.as_str())) {
        return Err(format!("{}: {other} is unknown", wanted()));
    }
    let mut all = Vec::with_capacity(N);
    for key in keys {
        all.push(fields.get(key).ok_or_else(|| format!("{}: {key} is missing", wanted()))?);
    }
    <[&Value; N]>::try_from(all).map_err(|_| wanted())
}

/// A day, in quotes or as TOML's own local date.
pub(super) fn day(value: &Value) -> Result<NaiveDate, String> {
    let wanted = || format!("must be a day such as 2026-10-01, from {FIRST_DAY} to {LAST_DAY}");
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(at) => at.to_string(),
        _ => return Err(wanted()),
    };
    let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(|_| wanted())?;
    // Ten characters: chrono would also read 2026-1-1, which sorts wrongly wherever it is compared as text.
    if text.len() == 10 && (FIRST_DAY.year()..=LAST_DAY.year()).contains(&day.year()) { Ok(day) } else { Err(wanted()) }
}

/// One of a fixed set of words.
pub(super) fn word<T: DeserializeOwned>(words: &'static [&'static str]) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let known = || format!("must be one of {}", quoted(words));
        let word = value.as_str().filter(|word| words.contains(word)).ok_or_else(known)?;
        T::deserialize(Value::String(word.to_owned())).map_err(|_| known())
    }
}

/// A list; each of its values once.
pub(super) fn list<T: PartialEq>(one: impl Fn(&Value) -> Result<T, String>) -> impl Fn(&Value) -> Result<Vec<T>, String> {
    move |value| {
        let values = value.as_array().ok_or("must be a list in brackets")?;
        if values.is_empty() {
            return Err("is empty: leave the key out for no restriction".to_owned());
        }
        let mut all = Vec::with_capacity(values.len());
        for (place, value) in values.iter().enumerate() {
            let value = one(value).map_err(|why| format!("value {} {why}", place + 1))?;
            if all.contains(&value) {
                return Err(format!("value {} stands there twice", place + 1));
            }
            all.push(value);
        }
        Ok(all)
    }
}

/// `"a", "b"`.
pub(super) fn quoted<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| format!("{:?}", word.to_string())).collect::<Vec<_>>().join(", ")
}
