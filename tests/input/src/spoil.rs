//! Structure-aware changes. Most make a message wrong, some don't: that is the judge's to say.

use serde_json::{Map, Value, json};

use crate::Dice;

/// Characters that look like others, turn the text round, end it, or mean something to a broker, a shell or a database.
const TRICKS: &str = "\0\u{1}\t\n\r\u{7f}\u{85}\u{a0}\u{200b}\u{200d}\u{202e}\u{2066}\u{2028}\u{3000}\u{feff}\u{fffd}\u{ffff}\u{10ffff}*>.'\"\\%_-+/ 0１Ａｅ́ﬀſıİß字🚗";

/// Changes a value in one to three places.
pub fn value(dice: &mut Dice, value: &mut Value) {
    for _ in 0..=dice.place(3) {
        let places = places_of(value);
        let place = dice.pick(&places).clone();
        change(dice, value, &place);
    }
}

/// JSON pointers of everything below the root, and of the root itself.
fn places_of(value: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    collect(value, "", &mut places);
    places
}

fn collect(value: &Value, place: &str, places: &mut Vec<String>) {
    let mut below = |key: &str, child: &Value| {
        let place = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
        collect(child, &place, places);
        places.push(place);
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(key, child)| below(key, child)),
        // A long list is as good as its beginning.
        Value::Array(items) => items.iter().take(5).enumerate().for_each(|(index, child)| below(&index.to_string(), child)),
        _ => {}
    }
}

fn change(dice: &mut Dice, root: &mut Value, place: &str) {
    let other = {
        let places = places_of(root);
        root.pointer(dice.pick(&places).as_str()).cloned()
    };
    if let Some((parent, key)) = place.rsplit_once('/')
        && dice.chance(30)
        && let Some(parent) = root.pointer_mut(parent)
    {
        return of_parent(dice, parent, key);
    }
    let Some(found) = root.pointer_mut(place) else { return };
    match dice.place(8) {
        0 | 1 => *found = anything(dice),
        2 => *found = Value::Array(vec![found.take()]),
        3 => *found = json!({ "value": found.take() }),
        4 => *found = other.unwrap_or_default(),
        _ => match found {
            Value::String(said) => tweak(dice, said),
            Value::Number(_) => *found = number(dice),
            Value::Array(items) => many(dice, items),
            Value::Object(object) => drop(object.insert(tricky(dice), anything(dice))),
            _ => *found = anything(dice),
        },
    }
}

/// Takes a key out of its object, writes it otherwise, or doubles an item.
fn of_parent(dice: &mut Dice, parent: &mut Value, key: &str) {
    let key = key.replace("~1", "/").replace("~0", "~");
    match parent {
        Value::Object(object) => {
            let value = object.remove(&key);
            if dice.chance(50) {
                let spellings = [key.to_uppercase(), format!("{key} "), format!("{key}\u{200b}"), key.replace('_', "")];
                let written = dice.pick(&spellings).clone();
                object.insert(written, value.unwrap_or_default());
            }
        }
        Value::Array(items) => {
            if let Some(item) = key.parse().ok().and_then(|index: usize| items.get(index).cloned()) {
                items.push(item);
            }
        }
        _ => {}
    }
}

fn many(dice: &mut Dice, items: &mut Vec<Value>) {
    match (dice.place(4), items.first().cloned()) {
        (0, _) => items.clear(),
        (1, Some(first)) => *items = vec![first; 501],
        (2, Some(first)) => items.push(first),
        _ => items.push(anything(dice)),
    }
}

/// A value of any type, with a liking for the edges.
pub fn anything(dice: &mut Dice) -> Value {
    match dice.place(7) {
        0 => Value::Null,
        1 => json!(dice.chance(50)),
        2 | 3 => number(dice),
        4 => dice.pick(&[json!([]), json!({}), json!([null]), json!([[[[1]]]]), json!({ "a": null })]).clone(),
        _ => Value::String(tricky(dice)),
    }
}

fn number(dice: &mut Dice) -> Value {
    let edges = [
        json!(0),
        json!(1),
        json!(-1),
        json!(500),
        json!(1_000),
        json!(1_000_000),
        json!(10_000_001),
        json!(i32::MAX),
        json!(i32::MIN),
        json!(u32::MAX),
        json!(4_294_967_296_u64),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.0),
        json!(-0.0),
        json!(0.1),
        json!(1e300),
        json!(9_007_199_254_740_993_u64),
    ];
    dice.pick(&edges).clone()
}

/// A text that somebody may have tried before.
pub fn tricky(dice: &mut Dice) -> String {
    const TEXTS: [&str; 41] = [
        "",
        " ",
        "null",
        "0",
        "-1",
        "1e9",
        "NaN",
        "*",
        ">",
        "a.b",
        "..",
        "SH01",
        "SH02",
        "SH01.>",
        "sh01",
        "ＳＨ０１",
        "'; drop table member; --",
        "{{ phone }}",
        "{% for %}",
        "%s%n",
        "../../etc/passwd",
        "$JS.API.STREAM.DELETE.POS",
        "$SRV.PING",
        "_INBOX.>",
        "2026-02-30",
        "0000-00-00",
        "9999-12-31",
        "-262143-01-01",
        "+262142-12-31",
        "2026-10-01T24:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "99999999999.99",
        "0.001",
        "１２.５",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "13800138000",
        "LSVAU2A37N2183294",
        "沪A12345",
        "sms:service",
    ];
    match dice.place(8) {
        0 => dice.text_of(TRICKS, 3),
        1 => {
            let count = *dice.pick(&[64, 65, 1_000, 1_001, 10_000]);
            dice.char_of("x字\u{301}").to_string().repeat(count)
        }
        2 => (0..dice.place(20)).map(|_| dice.any_char()).collect(),
        _ => (*dice.pick(&TEXTS)).to_owned(),
    }
}

fn tweak(dice: &mut Dice, said: &mut String) {
    let mut chars: Vec<char> = said.chars().collect();
    let place = dice.place(chars.len() + 1);
    match dice.place(7) {
        0 | 1 => chars.insert(place, dice.char_of(TRICKS)),
        2 => drop(chars.pop()),
        3 => chars.extend(said.chars()),
        4 => chars.iter_mut().for_each(|c| *c = c.to_ascii_uppercase()),
        5 => chars.iter_mut().filter(|c| c.is_ascii_digit()).for_each(|c| *c = char::from_u32(*c as u32 - 0x30 + 0xff10).unwrap_or(*c)),
        _ => {
            if place < chars.len() {
                chars[place] = dice.char_of(TRICKS);
            }
        }
    }
    *said = chars.into_iter().collect();
}

/// Changes the text of a message, below what a value can say.
pub fn text(dice: &mut Dice, text: &str) -> String {
    let cut = |dice: &mut Dice| {
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        *dice.pick(&places)
    };
    match dice.place(12) {
        0 => text[..cut(dice)].to_owned(),
        1 => twice(dice, text),
        2 => text.replacen('}', ",}", 1),
        3 => text.replacen('{', "{/* */", 1),
        4 => text.replacen('"', "'", 2),
        5 => format!("{text}{}", dice.pick(&["{}", "x", "\0", " \n", ",", "]"])),
        6 => format!("{}{text}", dice.pick(&["\u{feff}", " \n", "\0", "data=", ")]}',\n"])),
        7 => nested(dice, text),
        8 => text.replacen(
            "\":",
            &format!(
                "\":{}",
                dice.pick(&["NaN,\"a\":", "1e999,\"a\":", "-Infinity,\"a\":", "01,\"a\":", "+1,\"a\":", "1e-999,\"b\":", "0x1,\"a\":"])
            ),
            1,
        ),
        9 => text.replacen('"', dice.pick::<&str>(&["\"\\ud800", "\"\\udc00\\ud800", "\"\u{1}", "\"\\x", "\"\\u00", "\"\t"]), 1),
        10 => text.to_uppercase(),
        _ => {
            let place = cut(dice);
            format!("{}{}{}", &text[..place], dice.char_of(TRICKS), &text[place..])
        }
    }
}

/// The first key of an object a second time, with another value, before or behind, plain or escaped.
fn twice(dice: &mut Dice, text: &str) -> String {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let keys: Vec<&String> = object.keys().filter(|key| !key.is_empty()).collect();
    if keys.is_empty() {
        return text.to_owned();
    }
    let key = *dice.pick(&keys);
    let escaped = |c: u16| format!("\\u{c:04x}");
    let written = if dice.chance(50) { key.encode_utf16().map(escaped).collect::<Vec<_>>().concat() } else { key.clone() };
    let again = format!("\"{written}\":{}", anything(dice));
    if dice.chance(50) {
        text.replacen('{', &format!("{{{again},"), 1)
    } else {
        format!("{},{again}}}", text.trim_end().trim_end_matches('}'))
    }
}

fn nested(dice: &mut Dice, text: &str) -> String {
    let depth = *dice.pick(&[10, 120, 126, 127, 128, 129, 5_000]);
    let (open, close) = *dice.pick(&[("[", "]"), ("{\"a\":", "}")]);
    text.replacen('{', &format!("{{\"deep\":{}1{},", open.repeat(depth), close.repeat(depth)), 1)
}

/// Changes the bytes of a message.
pub fn bytes(dice: &mut Dice, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let place = dice.place(bytes.len() + 1);
    match dice.place(6) {
        0 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        1 => {
            bytes.splice(place..place, [0xb9, 0xa4, 0xca, 0xb1]);
            bytes
        }
        2 => {
            bytes.splice(place..place, *dice.pick(&[[0xc0, 0xaf, 0x20], [0xed, 0xa0, 0x80], [0xff, 0xfe, 0x00]]));
            bytes
        }
        3 => {
            bytes.resize(*dice.pick(&[256 * 1024, 256 * 1024 + 1, 700_000]), b' ');
            bytes
        }
        4 => (0..dice.place(300)).map(|_| u8::try_from(dice.place(256)).unwrap_or(0)).collect(),
        _ => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << dice.place(8);
            }
            bytes
        }
    }
}

/// A message as it may arrive: left as it is, or spoilt as a value, as a text or as bytes.
pub fn message(dice: &mut Dice, good: &Value) -> Vec<u8> {
    let mut changed = good.clone();
    match dice.place(10) {
        0 => crate::good::spell(dice, &changed).into_bytes(),
        1..=5 => {
            value(dice, &mut changed);
            crate::good::spell(dice, &changed).into_bytes()
        }
        6 | 7 => {
            let said = changed.to_string();
            text(dice, &said).into_bytes()
        }
        8 => {
            value(dice, &mut changed);
            let said = changed.to_string();
            text(dice, &said).into_bytes()
        }
        _ => {
            let said = changed.to_string();
            bytes(dice, &said)
        }
    }
}

/// An object with nothing in it but what it must not have.
pub fn empty() -> Value {
    Value::Object(Map::new())
}
