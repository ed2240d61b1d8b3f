//! Contacts of a batch, asked of `member` before any lock is held.

use std::collections::{BTreeSet, HashMap};

use jifen_contracts::endpoint::{Contact, Contacts, ContactsRequest};
use jifen_kernel::MemberId;
use jifen_runtime::{Ctx, Failure, ask};

/// Members of one request: what the endpoint takes.
const MEMBERS_IN_REQUEST: usize = 1_000;

/// The contacts of those who have one. While `member` can't be asked, the batch waits.
pub(super) async fn ask_contacts(cx: &Ctx, members: impl Iterator<Item = MemberId>) -> Result<HashMap<MemberId, Contact>, Failure> {
    let members: Vec<MemberId> = members.collect::<BTreeSet<_>>().into_iter().collect();
    let mut contacts = HashMap::with_capacity(members.len());
    for part in members.chunks(MEMBERS_IN_REQUEST) {
        let reply = ask::<Contacts>(&cx.nats, &ContactsRequest { member_ids: part.to_vec() }).await.map_err(Failure::transient)?;
        contacts.extend(reply.contacts.into_iter().map(|contact| (contact.member_id, contact)));
    }
    Ok(contacts)
}
