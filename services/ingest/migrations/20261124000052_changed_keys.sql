-- Which keys changed their owner lately? Asked every minute; those that only wait for an owner are many, and not in it.
create index customer_key_changed on customer_key (changed_at) where changed_at is not null;
