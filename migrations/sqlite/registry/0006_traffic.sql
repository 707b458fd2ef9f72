-- How routes were called, summed by hour and by day for the analytics of their providers. Gateways add to these rows and read
-- none of them. No money stands here: revenue is the ledger's.

-- Requests by how they ended; `reason` is empty where nothing went wrong. `start` is the beginning of the hour or the day in
-- UTC, in Unix milliseconds.
create table traffic_request (
    provider text    not null,
    span     text    not null check (span in ('hour', 'day')),
    start    integer not null,
    route    text    not null,
    outcome  text    not null,
    reason   text    not null,
    requests integer not null check (requests > 0),
    primary key (provider, span, start, route, outcome, reason)
) strict, without rowid;

create index traffic_request_age on traffic_request (span, start);

-- Answers by how long they took: `until_us` is the upper end of a step (domain/src/latency.rs), in microseconds.
create table traffic_latency (
    provider text    not null,
    span     text    not null check (span in ('hour', 'day')),
    start    integer not null,
    route    text    not null,
    until_us integer not null check (until_us > 0),
    answers  integer not null check (answers > 0),
    primary key (provider, span, start, route, until_us)
) strict, without rowid;

create index traffic_latency_age on traffic_latency (span, start);

-- The last sums that each gateway process handed in: sums whose answer was lost are not added twice.
create table traffic_source (
    source blob    not null primary key check (length(source) = 16),
    number integer not null,
    at     integer not null
) strict, without rowid;
