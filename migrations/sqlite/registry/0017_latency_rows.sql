-- All steps of a route's latency in one row: a month of a hundred routes is three thousand rows to read, not sixty thousand.
-- `steps` is JSON: [[until_us, answers], ...]; `until_us` is the upper end of a step (domain/src/latency.rs), in microseconds.
alter table traffic_latency rename to traffic_step;

create table traffic_latency (
    provider text    not null,
    span     text    not null check (span in ('hour', 'day')),
    start    integer not null,
    route    text    not null,
    steps    text    not null,
    primary key (provider, span, start, route)
) strict, without rowid;

insert into traffic_latency (provider, span, start, route, steps)
select provider, span, start, route, json_group_array(json_array(until_us, answers)) from traffic_step group by 1, 2, 3, 4;

drop table traffic_step;

create index traffic_latency_age on traffic_latency (span, start);
