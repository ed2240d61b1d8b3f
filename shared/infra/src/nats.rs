//! Connecting to NATS, embedded or given by URL, and saying what is wrong when that fails.

use async_nats::{Client, ConnectOptions};

use crate::binaries::NATS_FLOOR;
use crate::rights::Credentials;

/// What connecting can fail with. No message carries a password.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// Nobody answers, or not with NATS.
    #[error("no NATS server answers at {url} ({source}): start it, or correct JIFEN_NATS_URL")]
    Unreachable {
        /// Where.
        url: String,
        /// What happened.
        source: async_nats::ConnectError,
    },
    /// The user is not known there.
    #[error(
        "NATS at {url} refuses user {user}: its users must be those of this installation (`jifen migrate --print-nats` prints them), made \
         with the same keys"
    )]
    Refused {
        /// Where.
        url: String,
        /// The user.
        user: String,
    },
    /// Too old: it would ignore settings silently.
    #[error("NATS at {url} is {found}: jifen needs {NATS_FLOOR} or newer, since older servers ignore what its streams ask for")]
    TooOld {
        /// Where.
        url: String,
        /// Its version.
        found: String,
    },
    /// It stores nothing.
    #[error("NATS at {url} runs without JetStream: switch it on (`jetstream` in its configuration)")]
    NoJetStream {
        /// Where.
        url: String,
    },
}

/// Options for a user: its password and the prefix of its inboxes, without which no reply reaches it.
pub fn options(credentials: &Credentials) -> ConnectOptions {
    let Credentials { user, password, inbox_prefix } = credentials.clone();
    ConnectOptions::with_user_and_password(user.clone(), password).custom_inbox_prefix(inbox_prefix).name(user)
}

/// Connects and refuses a server that is too old or stores nothing.
pub async fn connect(url: &str, credentials: &Credentials) -> Result<Client, NatsError> {
    let shown = without_password(url);
    let client = options(credentials).connect(url).await.map_err(|source| match source.kind() {
        async_nats::ConnectErrorKind::Authentication | async_nats::ConnectErrorKind::AuthorizationViolation => {
            NatsError::Refused { url: shown.clone(), user: credentials.user.clone() }
        }
        _ => NatsError::Unreachable { url: shown.clone(), source },
    })?;
    check_server(&client, &shown)?;
    Ok(client)
}

/// Refuses a server that is too old or stores nothing.
pub fn check_server(client: &Client, url: &str) -> Result<(), NatsError> {
    let (major, minor) = (i64::from(NATS_FLOOR.major), i64::from(NATS_FLOOR.minor));
    let info = client.server_info();
    if !client.is_server_compatible(major, minor, 0) {
        return Err(NatsError::TooOld { url: url.to_owned(), found: info.version });
    }
    if !info.jetstream {
        return Err(NatsError::NoJetStream { url: url.to_owned() });
    }
    Ok(())
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}
