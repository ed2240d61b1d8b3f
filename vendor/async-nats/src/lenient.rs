//! jifen's own: reads a header block that nobody has checked.
//!
//! The server hands on what a publisher wrote, byte by byte. What can't be read costs the message that header, never the
//! connection: everybody else's messages come on the same one.

use std::borrow::Cow;
use std::str::FromStr;

use crate::header::{HeaderMap, HeaderName, HeaderValue};
use crate::status::StatusCode;

/// Headers, status and its description. A message `delivered` from a stream has no status: that is the server's own word
/// about a pull or a request, and here it would be the publisher's.
pub(crate) fn headers(block: &[u8], delivered: bool) -> (HeaderMap, Option<StatusCode>, Option<String>) {
    let mut headers = HeaderMap::new();
    let text = String::from_utf8_lossy(block);
    let mut lines = text.lines().peekable();
    let Some(version) = lines.next().and_then(|line| line.strip_prefix("NATS/1.0")) else {
        return (headers, None, None);
    };
    while let Some(line) = lines.next() {
        // A folded line belongs to the header before it, also if that one is left out.
        let mut folded = Vec::new();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            folded.push(more);
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.is_empty() {
            continue;
        }
        let Ok(name) = HeaderName::from_str(name) else { continue };
        let mut value = Cow::Borrowed(value.trim_start());
        for more in folded {
            value.to_mut().push_str(more);
        }
        if value.contains('\r') {
            value = Cow::Owned(value.replace('\r', "\u{FFFD}"));
        }
        let Ok(value) = HeaderValue::from_str(value.trim_end()) else { continue };
        headers.append(name, value);
    }
    if delivered {
        return (headers, None, None);
    }
    let version = version.trim();
    let (status, description) = version.split_once(' ').unwrap_or((version, ""));
    let description = description.trim();
    (headers, status.trim().parse().ok(), (!description.is_empty()).then(|| description.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_read() {
        let (map, status, description) = headers(b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\r\n", false);
        assert_eq!((status, description.as_deref()), (Some(StatusCode::IDLE_HEARTBEAT), Some("Idle Heartbeat")));
        assert_eq!(map.get("Nats-Last-Consumer").map(HeaderValue::as_str), Some("1"));
    }

    #[test]
    fn what_a_publisher_says_is_no_status() {
        assert_eq!(headers(b"NATS/1.0 404 No Messages\r\n\r\n", true).1, None);
    }

    #[test]
    fn one_bad_header_costs_itself_only() {
        let (map, ..) = headers(b"NATS/1.0\r\n\xb9\xa4: 1\r\nno colon\r\na: x\ry\r\nb: \xff\r\nc: 1\r\n 2\r\n: 3\r\n\r\n", true);
        let found: Vec<_> = ["a", "b", "c"].map(|name| map.get(name).map(|value| value.as_str().to_owned())).into();
        assert_eq!(found, [Some("x\u{FFFD}y".to_owned()), Some("\u{FFFD}".to_owned()), Some("1 2".to_owned())]);
        assert_eq!(map.len(), 3);
    }
}
