//! The server's configuration, generated from the table of [`crate::rights`]. It is JSON, which NATS reads as well as
//! its own notation, so that nothing has to be quoted by hand.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::keys::Keys;
use crate::rights::{self, User};

/// The largest message: DESIGN's upper limit for a document that still gets a receipt.
pub const MAX_PAYLOAD: u32 = 1024 * 1024;

/// Files for TLS, needed where stores connect over a network.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The server as a whole.
#[derive(Debug, Clone)]
pub struct ServerSettings<'a> {
    /// Where it listens.
    pub host: IpAddr,
    /// The port for clients.
    pub port: u16,
    /// Where it tells its health.
    pub monitor: (IpAddr, u16),
    /// Its folder.
    pub dir: &'a Path,
    /// The most that its streams may hold, in bytes. More than what they reserve together.
    pub max_file_store: i64,
    /// Every write is on the disk before it is acknowledged.
    pub sync_always: bool,
    /// Whom a connection without credentials becomes.
    pub no_auth_user: Option<String>,
    /// For connections from elsewhere.
    pub tls: Option<Tls>,
}

/// An account: users who hear each other, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its users.
    pub users: Vec<User>,
}

/// The accounts' part, for the operator of a server of his own to put into its configuration.
pub fn accounts(keys: &Keys, accounts: &[Account]) -> Value {
    let rights = |subjects: &rights::Subjects| {
        let mut value = json!({ "allow": subjects.allow });
        if !subjects.deny.is_empty() {
            value["deny"] = json!(subjects.deny);
        }
        value
    };
    let user = |user: &User| {
        json!({
            "user": user.name,
            "password": rights::credentials(keys, &user.name).password,
            "permissions": { "publish": rights(&user.publish), "subscribe": rights(&user.subscribe) },
        })
    };
    let entry = |account: &Account| {
        let users: Vec<Value> = account.users.iter().map(user).collect();
        (account.name.clone(), json!({ "jetstream": "enabled", "users": users }))
    };
    Value::Object(accounts.iter().map(entry).collect())
}

/// The whole configuration.
pub fn render(settings: &ServerSettings<'_>, keys: &Keys, list: &[Account]) -> String {
    let dir = |name: &str| settings.dir.join(name).display().to_string();
    let mut config = json!({
        "server_name": "jifen",
        "host": settings.host,
        "port": settings.port,
        "http": format!("{}:{}", settings.monitor.0, settings.monitor.1),
        "pid_file": dir("nats.pid"),
        "max_payload": MAX_PAYLOAD,
        // A client that does not read for so long is cut off instead of filling the server's memory.
        "write_deadline": "10s",
        "max_pending": 64 * 1024 * 1024,
        "jetstream": {
            "store_dir": dir("store"),
            "max_file_store": settings.max_file_store,
            "max_memory_store": 0,
            // What rests on the disk is encrypted: documents and commands carry personal data. AES, which processors do in hardware;
            // a store of the other cipher is converted by the server.
            "cipher": "aes",
            "key": keys.derive("nats/store"),
        },
        "accounts": accounts(keys, list),
    });
    if settings.sync_always {
        config["jetstream"]["sync_interval"] = json!("always");
    }
    if let Some(user) = &settings.no_auth_user {
        config["no_auth_user"] = json!(user);
    }
    if let Some(tls) = &settings.tls {
        config["tls"] = json!({ "cert_file": tls.certificate, "key_file": tls.key });
    }
    format!("# Written by jifen; changes are lost at the next start.\n{config:#}\n")
}
