-- What people edit, and what must outlive a restart beside it: agents, their signers and keys, the numbers of prices.
-- No balance and no counter of a limit stands here: those are the ledger's.

-- Who pays. `wallet` is an account of the ledger, made there before the agent is made here.
create table agent (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 64),
    wallet      blob    not null check (length(wallet) = 16),
    -- The policy. Null is no such rule; amounts are atomic units of the wallet asset, times Unix milliseconds.
    per_request integer check (per_request >= 0),
    per_day     integer check (per_day >= 0),
    per_month   integer check (per_month >= 0),
    routes      text check (routes is null or json_valid(routes)),
    providers   text check (providers is null or json_valid(providers)),
    expires_at  integer,
    frozen      integer not null default 0 check (frozen in (0, 1)),
    created_at  integer not null
) strict, without rowid;

-- Addresses that sign for an agent. What the file brought, the file takes away.
create table signer (
    address    blob    not null primary key check (length(address) = 20),
    agent      blob    not null references agent (id),
    source     text    not null check (source in ('file', 'api')),
    created_at integer not null
) strict, without rowid;

create index signer_agent on signer (agent);

-- Keys, without their secrets: BLAKE3 of 32 random bytes.
create table agent_key (
    id          blob    not null primary key check (length(id) = 16),
    agent       blob    not null references agent (id),
    secret_hash blob    not null check (length(secret_hash) = 32),
    per_request integer not null check (per_request >= 0),
    expires_at  integer,
    source      text    not null check (source in ('file', 'api')),
    created_at  integer not null
) strict, without rowid;

create index agent_key_agent on agent_key (agent);

-- Prices of routes. `until` is the end of a price's quotes; null is the price in force. The last row of a route stays
-- when the route goes, so that its numbers never begin again.
create table route_revision (
    route    text    not null,
    revision integer not null check (revision >= 1),
    price    text    not null,
    until    integer,
    primary key (route, revision)
) strict, without rowid;

create unique index route_revision_in_force on route_revision (route) where until is null;

-- One row: the version of the last catalog put in force.
create table catalog_version (
    only    integer not null primary key check (only = 1),
    version integer not null check (version >= 0)
) strict;

insert into catalog_version (only, version) values (1, 0);
