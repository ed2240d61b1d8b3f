//! The data fields of a WeChat subscription message: each value within the limits of its field's type, or the message doesn't go
//! this way. What is only too long is cut; what is of another form is refused. The same value gives the same field, always.

use std::collections::BTreeMap;

/// Characters of a `thing`.
const THING: usize = 20;
/// Characters of a `character_string`, digits of a `number`.
const TEXT: usize = 32;
/// Digits of an `amount`.
const AMOUNT: usize = 10;
/// Characters of a `phrase`.
const PHRASE: usize = 5;
/// Chinese and other characters of a `name`.
const NAME: (usize, usize) = (10, 20);

/// A value that can't stand in its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value doesn't fit into the field {0}")]
pub struct Unfit(pub String);

/// The fields, each with the value of the parameter that it names.
pub fn fields_of(fields: &BTreeMap<String, String>, params: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Unfit> {
    let value = |(field, param): (&String, &String)| {
        let value = params.get(param).and_then(|value| fit(field.trim_end_matches(|c: char| c.is_ascii_digit()), value));
        value.filter(|value| !value.is_empty()).map(|value| (field.clone(), value)).ok_or_else(|| Unfit(field.clone()))
    };
    fields.iter().map(value).collect()
}

fn fit(kind: &str, value: &str) -> Option<String> {
    let digits = value.chars().all(|c| c.is_ascii_digit());
    let count = value.chars().count();
    match kind {
        "thing" => Some(cut(value, THING)),
        "name" => Some(cut(value, if value.is_ascii() { NAME.1 } else { NAME.0 })),
        "character_string" => (value.is_ascii() && count <= TEXT).then(|| value.to_owned()),
        "number" => (digits && count <= TEXT).then(|| value.to_owned()),
        "amount" => (digits && count <= AMOUNT).then(|| value.to_owned()),
        "phrase" => (!value.chars().any(|c| c.is_ascii()) && count <= PHRASE).then(|| value.to_owned()),
        "date" | "time" => {
            let day: chrono::NaiveDate = value.parse().ok()?;
            Some(day.format("%Y年%m月%d日").to_string())
        }
        _ => None,
    }
}

/// The first characters of a text.
pub fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_or_refused_by_their_fields_type() {
        for (kind, value, expected) in [
            ("thing", "上海浦东新区世纪大道一号汽车销售服务旗舰店", Some("上海浦东新区世纪大道一号汽车销售服务旗舰")),
            ("name", "上海浦东新区世纪大道一号", Some("上海浦东新区世纪大道")),
            ("name", "Pudong Flagship Store One", Some("Pudong Flagship Stor")),
            ("character_string", "M10000001", Some("M10000001")),
            ("character_string", "浦东店", None),
            ("number", "1500", Some("1500")),
            ("number", "123亿", None),
            ("amount", "12345678901", None),
            ("phrase", "银卡会员", Some("银卡会员")),
            ("phrase", "Silver", None),
            ("phrase", "尊贵银卡会员", None),
            ("date", "2026-10-01", Some("2026年10月01日")),
            ("time", "tomorrow", None),
            ("letter", "abc", None),
        ] {
            assert_eq!(fit(kind, value).as_deref(), expected, "{kind} {value}");
        }
        let one = |field: &str, param: &str| BTreeMap::from([(field.to_owned(), param.to_owned())]);
        assert_eq!(fields_of(&one("thing12", "a"), &one("a", "x")), Ok(one("thing12", "x")));
        assert_eq!(fields_of(&one("thing1", "b"), &one("a", "x")), Err(Unfit("thing1".to_owned())));
        assert_eq!(fields_of(&one("thing1", "a"), &one("a", "")), Err(Unfit("thing1".to_owned())));
    }
}
