//! What every pair of servers for tests has in common: fixed keys, and accounts on NATS with the full table of users each,
//! so that tests run beside one another with the rights of production.

use jifen_infra::Keys;
use jifen_infra::nats_config::Account;
use jifen_infra::rights;
use jifen_kernel::StoreCode;

/// How many tests can run at a time on one pair of servers; more wait for a free account.
pub const ACCOUNTS: u16 = 64;
/// The stores whose users exist: those of the default program.
const STORES: [&str; 3] = ["SH01", "SH02", "SH03"];

/// The keys of every test.
pub fn test_keys() -> Keys {
    Keys::from_bytes([[1; 32], [2; 32], [3; 32], [4; 32]])
}

/// What stands before each user name of an account: names are the server's, not the account's.
pub(crate) fn user_prefix(account: u16) -> String {
    format!("t{account:02}_")
}

/// The accounts of the server, to be generated into its configuration.
pub fn accounts() -> Vec<Account> {
    let stores: Vec<StoreCode> = STORES.iter().filter_map(|code| StoreCode::try_new(*code).ok()).collect();
    let account = |number| Account { name: format!("t{number:02}"), users: rights::users(&user_prefix(number), &stores) };
    (0..ACCOUNTS).map(account).collect()
}
