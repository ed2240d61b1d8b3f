-- Work that is due once a business day: how far each day of each job has come. The row is the claim: it is written in the
-- transaction that does the work.
create table job_day (
    job text not null,
    day date not null,
    -- Where the next part goes on; null before the first and after the last.
    cursor jsonb,
    done_at timestamptz,
    primary key (job, day)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert, update on job_day to %I', role);
end $$;
