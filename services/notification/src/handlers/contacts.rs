//! Contacts of a batch, asked of `member` before any lock is held.

use std::collections::{BTreeSet, HashMap, HashSet};

use jifen_contracts::endpoint::{Contact, Contacts, ContactsRequest};
use jifen_kernel::MemberId;
use jifen_runtime::{Ctx, Failure, ask};

/// Members of one request: what the endpoint takes.
const MEMBERS_IN_REQUEST: usize = 1_000;

/// What `member` knows of a batch.
#[derive(Debug, Default)]
pub struct Known {
    /// Those who can be reached.
    pub contacts: HashMap<MemberId, Contact>,
    /// Those whose contact is there but can't be opened.
    pub unreadable: HashSet<MemberId>,
}

/// The contacts of those who have one. While `member` can't be asked, the batch waits.
pub(crate) async fn ask_contacts(cx: &Ctx, members: impl Iterator<Item = MemberId>) -> Result<Known, Failure> {
    let members: Vec<MemberId> = members.collect::<BTreeSet<_>>().into_iter().collect();
    let mut known = Known::default();
    for part in members.chunks(MEMBERS_IN_REQUEST) {
        let reply = ask::<Contacts>(&cx.nats, &ContactsRequest { member_ids: part.to_vec() }).await.map_err(Failure::transient)?;
        known.contacts.extend(reply.contacts.into_iter().map(|contact| (contact.member_id, contact)));
        known.unreadable.extend(reply.unreadable);
    }
    Ok(known)
}
