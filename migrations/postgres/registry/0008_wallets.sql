-- The same as on SQLite: who owns agents and wallets, wallets by name, and what a key is for.
create table wallet (
    id         bytea   not null primary key check (length(id) = 16),
    name       text    not null check (length(name) between 1 and 64),
    owner      text,
    -- Its agents pay nothing while set.
    frozen     boolean not null default false,
    created_at bigint  not null
);

insert into wallet (id, name, created_at) select wallet, min(name), min(created_at) from agent group by wallet;

create index wallet_owner on wallet (owner, id) where owner is not null;

alter table agent add column owner text;
create index agent_owner on agent (owner, id) where owner is not null;
create index agent_wallet on agent (wallet);

-- What the key may pay for: a JSON list of `route:NAME`, `provider:NAME`, `category:NAME`; null is everything.
alter table agent_key add column scopes text check (json_typeof(scopes::json) = 'array');
-- To the minute.
alter table agent_key add column last_used_at bigint;
