-- Providers and routes as they were written, by the file or through the API: the whole catalog, so that one version is one
-- content in every process. All numbers of versions are those of `catalog_version`.
create table provider (
    name             text    not null primary key check (length(name) between 1 and 64),
    managed_by       text    not null check (managed_by in ('file', 'api')),
    -- JSON, secrets too; those that the file keeps in files of their own stay there.
    document         text    not null check (json_valid(document)),
    -- Its upstream was named by the operator, who may name one on a private network.
    trusted_upstream integer not null check (trusted_upstream in (0, 1)),
    -- The version that brought its last change.
    version          integer not null check (version >= 1),
    created_at       integer not null,
    updated_at       integer not null,
    -- Its name stays its own.
    removed_at       integer
) strict, without rowid;

create index provider_version on provider (version);

create table route (
    name       text    not null primary key check (length(name) between 1 and 64),
    provider   text    not null references provider (name),
    managed_by text    not null check (managed_by in ('file', 'api')),
    document   text    not null check (json_valid(document)),
    version    integer not null check (version >= 1),
    created_at integer not null,
    updated_at integer not null,
    removed_at integer
) strict, without rowid;

create index route_version on route (version);
create index route_provider on route (provider);

-- The version that brought the revision; 0 is before there were such numbers.
alter table route_revision add column since integer not null default 0;

-- What a route was, from a revision on.
create table route_history (
    route    text    not null,
    revision integer not null check (revision >= 1),
    document text    not null check (json_valid(document)),
    version  integer not null,
    at       integer not null,
    primary key (route, revision)
) strict, without rowid;

-- What each version changed.
create table catalog_change (
    version    integer not null primary key,
    at         integer not null,
    actor_kind text    not null,
    actor      text    not null,
    -- JSON: names of what was added, changed and removed, with old and new prices.
    difference text    not null check (json_valid(difference))
) strict;
