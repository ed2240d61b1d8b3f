-- What a tier had brought that a correction took back: closed with it, and open again when the tier is earned after all.
alter table entitlement add column revoked boolean not null default false;
