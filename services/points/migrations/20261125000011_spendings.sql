-- How many invoices of a member have something paid in a category that earns: counted as postings and corrections do, also for what was
-- posted before there was a count. One statement over all accruals; running it again changes nothing.
with rate as materialized (
    select p.version, r.key as category
    from program_version p cross join lateral jsonb_each_text(p.applied -> 'program' -> 'earn' -> 'rates') r
    where r.value::numeric > 0
), spending as (
    -- What corrections have left says so itself.
    select member_id, store, document from accrual where net is not null and (net -> 'net' ->> 'is_spending')::boolean
    union
    select a.member_id, a.store, a.document
    from accrual a
         cross join lateral jsonb_to_recordset(a.categories) c(category text, paid numeric, base bigint)
         left join rate r on r.version = a.program_version and r.category = c.category
    where a.net is null and (c.base > 0 or (c.paid > 0 and r.category is not null))
), counted as (
    select a.member_id, coalesce(s.spendings, 0)::integer as spendings
    from account a left join (select member_id, count(*) as spendings from spending group by member_id) s using (member_id)
)
update account a set spendings = nullif(c.spendings, 0)
from counted c where c.member_id = a.member_id and coalesce(a.spendings, 0) <> c.spendings;
