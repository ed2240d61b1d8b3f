-- What cars are, beside whose; and room for fleets.

alter table vehicle
    -- The model series, and the day on which it was handed over new, as far as anybody said: what campaigns may ask for.
    add column series text,
    add column new_on date,
    -- A fleet customer has more than 99 cars.
    drop constraint vehicle_vehicle_no_check,
    add constraint vehicle_vehicle_no_check check (vehicle_no between 1 and 2000);

alter table personal
    drop constraint personal_field_check,
    add constraint personal_field_check check (field ~ '^(phone|name|birthday|wechat_openid|(vin|plate)/[0-9]{1,4})$');

-- The model series that a sale names.
alter table vehicle_sale add column series text;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (series, new_on) on vehicle to %I', role);
end $$;
