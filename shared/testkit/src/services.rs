//! From a test's surroundings to what a service needs to start.

use jifen_kernel::Ids;
use jifen_runtime::{
    Limits, NatsLogin, ServiceConfig,
    context::ClockHandle,
    crypto::{LookupKey, SealKey},
    telemetry::Telemetry,
};

use crate::TestEnv;

/// The configuration of one copy of `service`. Every copy of a test has the same keys; `member` alone gets the vault's.
pub fn service_config(env: &TestEnv, service: &str) -> ServiceConfig {
    let (keys, credentials) = (env.keys(), env.nats_credentials(service));
    let telemetry = match Telemetry::start(None) {
        Ok(telemetry) => telemetry,
        Err(error) => panic!("{error}"),
    };
    ServiceConfig {
        database_url: env.database_url(service),
        nats: NatsLogin {
            url: env.nats_url().to_owned(),
            user: Some(credentials.user),
            password: Some(credentials.password),
            inbox_prefix: Some(credentials.inbox_prefix),
        },
        seal: SealKey::new(*keys.seal.expose()),
        lookup: LookupKey::new(*keys.lookup.expose()),
        vault: (service == "member").then(|| SealKey::new(*keys.vault.expose())),
        folder: None,
        limits: Limits { connections: 4, ack_wait_s: 5, unreadable_event_s: 0, ..Limits::default() },
        clock: ClockHandle::default(),
        ids: Ids::system(),
        telemetry,
    }
}
