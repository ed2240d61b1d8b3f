-- A correction of one bill may take back the first spending that another one had brought. Where that one's accrual comes later,
-- a member's total is below zero until then.
alter table standing drop constraint standing_qualifying_check;
