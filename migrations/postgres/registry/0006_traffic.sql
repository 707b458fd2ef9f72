-- The same tables as on SQLite (migrations/sqlite/registry).

create table traffic_request (
    provider text   not null,
    span     text   not null check (span in ('hour', 'day')),
    start    bigint not null,
    route    text   not null,
    outcome  text   not null,
    reason   text   not null,
    requests bigint not null check (requests > 0),
    primary key (provider, span, start, route, outcome, reason)
);

create index traffic_request_age on traffic_request (span, start);

create table traffic_latency (
    provider text   not null,
    span     text   not null check (span in ('hour', 'day')),
    start    bigint not null,
    route    text   not null,
    until_us bigint not null check (until_us > 0),
    answers  bigint not null check (answers > 0),
    primary key (provider, span, start, route, until_us)
);

create index traffic_latency_age on traffic_latency (span, start);

create table traffic_source (
    source bytea  not null primary key check (length(source) = 16),
    number bigint not null,
    at     bigint not null
);
