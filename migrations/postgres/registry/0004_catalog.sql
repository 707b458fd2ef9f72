-- The same as on SQLite: providers and routes as they were written, by the file or through the API, with their history.
create table provider (
    name             text    not null primary key check (length(name) between 1 and 64),
    managed_by       text    not null check (managed_by in ('file', 'api')),
    -- JSON, secrets too; those that the file keeps in files of their own stay there.
    document         text    not null check (json_typeof(document::json) = 'object'),
    -- Its upstream was named by the operator, who may name one on a private network.
    trusted_upstream boolean not null,
    -- The version that brought its last change.
    version          bigint not null check (version >= 1),
    created_at       bigint not null,
    updated_at       bigint not null,
    -- Its name stays its own.
    removed_at       bigint
);

create index provider_version on provider (version);

create table route (
    name       text    not null primary key check (length(name) between 1 and 64),
    provider   text    not null references provider (name),
    managed_by text    not null check (managed_by in ('file', 'api')),
    document   text    not null check (json_typeof(document::json) = 'object'),
    version    bigint not null check (version >= 1),
    created_at bigint not null,
    updated_at bigint not null,
    removed_at bigint
);

create index route_version on route (version);
create index route_provider on route (provider);

-- The version that brought the revision; 0 is before there were such numbers.
alter table route_revision add column since bigint not null default 0;

-- What a route was, from a revision on.
create table route_history (
    route    text    not null,
    revision bigint not null check (revision >= 1),
    document text    not null check (json_typeof(document::json) = 'object'),
    version  bigint not null,
    at       bigint not null,
    primary key (route, revision)
);

-- What each version changed.
create table catalog_change (
    version    bigint not null primary key,
    at         bigint not null,
    actor_kind text    not null,
    actor      text    not null,
    -- JSON: names of what was added, changed and removed, with old and new prices.
    difference text    not null check (json_typeof(difference::json) = 'object')
);
