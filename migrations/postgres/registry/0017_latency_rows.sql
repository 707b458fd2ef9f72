-- The same as on SQLite (migrations/sqlite/registry).
alter table traffic_latency rename to traffic_step;
alter index traffic_latency_pkey rename to traffic_step_pkey;

create table traffic_latency (
    provider text   not null,
    span     text   not null check (span in ('hour', 'day')),
    start    bigint not null,
    route    text   not null,
    steps    text   not null,
    primary key (provider, span, start, route)
);

insert into traffic_latency (provider, span, start, route, steps)
select provider, span, start, route, json_agg(json_build_array(until_us, answers))::text from traffic_step group by 1, 2, 3, 4;

drop table traffic_step;

create index traffic_latency_age on traffic_latency (span, start);
