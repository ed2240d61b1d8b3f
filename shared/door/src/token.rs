//! Who may hand in for which store by HTTP: a bearer token per store, derived from the installation's keys as the passwords of
//! NATS are, so nothing has to be kept. It names its store: `SH01.<64 hexadecimal digits>`.

use jifen_infra::Keys;
use jifen_kernel::StoreCode;
use subtle::ConstantTimeEq;

/// The token of a store.
pub fn token_of(keys: &Keys, store: &StoreCode) -> String {
    format!("{store}.{}", keys.derive(&format!("http/{store}")))
}

/// The store whose token stands in an `Authorization` header. How long a wrong one takes to be refused does not tell how far it is
/// right.
pub fn store_of(keys: &Keys, authorization: &str) -> Option<StoreCode> {
    let (scheme, token) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let token = token.trim();
    let store = StoreCode::try_new(token.split_once('.')?.0).ok()?;
    bool::from(token_of(keys, &store).as_bytes().ct_eq(token.as_bytes())).then_some(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_store_only() {
        let keys = Keys::from_bytes([[1; 32], [2; 32], [3; 32], [4; 32]]);
        let store = |code: &str| StoreCode::try_new(code).expect("store");
        let token = token_of(&keys, &store("SH01"));
        assert_eq!(store_of(&keys, &format!("Bearer {token}")), Some(store("SH01")));
        assert_eq!(store_of(&keys, &format!("bearer {token}")), Some(store("SH01")));
        let others = token_of(&Keys::from_bytes([[9; 32]; 4]), &store("SH01"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer SH01", "Basic abc", &token, &format!("Bearer {others}"), &format!("Bearer {token}0")]
        {
            assert_eq!(store_of(&keys, wrong), None, "{wrong}");
        }
        assert_eq!(store_of(&keys, &format!("Bearer {}", token.replace("SH01", "SH02"))), None);
    }
}
