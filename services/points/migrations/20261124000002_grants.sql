-- Grants that rest on an invoice: what is refunded there is taken back here.

-- How a campaign's grant was computed; `about` is the invoice then.
alter table direct_accrual add column bonuses jsonb;
-- A correction asks for the grants that rest on its invoice.
create index direct_accrual_grant on direct_accrual (store, about) where source = 'grant';
