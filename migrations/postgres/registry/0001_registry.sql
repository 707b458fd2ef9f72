-- The same tables as on SQLite (migrations/sqlite/registry), in the schema `registry`: the connection's search path.
-- No balance and no counter of a limit stands here: those are the ledger's.

-- Who pays. `wallet` is an account of the ledger, made there before the agent is made here.
create table agent (
    id          bytea   not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 64),
    wallet      bytea   not null check (length(wallet) = 16),
    -- The policy. Null is no such rule; amounts are atomic units of the wallet asset, times Unix milliseconds.
    per_request bigint  check (per_request >= 0),
    per_day     bigint  check (per_day >= 0),
    per_month   bigint  check (per_month >= 0),
    -- A cast that fails is a violation too.
    routes      text    check (json_typeof(routes::json) = 'array'),
    providers   text    check (json_typeof(providers::json) = 'array'),
    expires_at  bigint,
    frozen      boolean not null default false,
    created_at  bigint  not null
);

-- Addresses that sign for an agent. What the file brought, the file takes away.
create table signer (
    address    bytea  not null primary key check (length(address) = 20),
    agent      bytea  not null references agent (id),
    source     text   not null check (source in ('file', 'api')),
    created_at bigint not null
);

create index signer_agent on signer (agent);

-- Keys, without their secrets: BLAKE3 of 32 random bytes.
create table agent_key (
    id          bytea  not null primary key check (length(id) = 16),
    agent       bytea  not null references agent (id),
    secret_hash bytea  not null check (length(secret_hash) = 32),
    per_request bigint not null check (per_request >= 0),
    expires_at  bigint,
    source      text   not null check (source in ('file', 'api')),
    created_at  bigint not null
);

create index agent_key_agent on agent_key (agent);

-- Prices of routes. `until` is the end of a price's quotes; null is the price in force. The last row of a route stays
-- when the route goes, so that its numbers never begin again.
create table route_revision (
    route    text   not null,
    revision bigint not null check (revision >= 1),
    price    text   not null,
    until    bigint,
    primary key (route, revision)
);

create unique index route_revision_in_force on route_revision (route) where until is null;

-- One row: the version of the last catalog put in force.
create table catalog_version (
    single  bigint not null primary key check (single = 1),
    version bigint not null check (version >= 0)
);

insert into catalog_version (single, version) values (1, 0);
