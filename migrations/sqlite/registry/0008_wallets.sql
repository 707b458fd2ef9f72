-- Who owns agents and wallets, wallets by name, and what a key is for. Balances are the ledger's.
create table wallet (
    id         blob    not null primary key check (length(id) = 16),
    name       text    not null check (length(name) between 1 and 64),
    owner      text,
    -- Its agents pay nothing while set.
    frozen     integer not null default 0 check (frozen in (0, 1)),
    created_at integer not null
) strict, without rowid;

insert into wallet (id, name, created_at) select wallet, min(name), min(created_at) from agent group by wallet;

create index wallet_owner on wallet (owner, id) where owner is not null;

alter table agent add column owner text;
create index agent_owner on agent (owner, id) where owner is not null;
create index agent_wallet on agent (wallet);

-- What the key may pay for: a JSON list of `route:NAME`, `provider:NAME`, `category:NAME`; null is everything.
alter table agent_key add column scopes text check (scopes is null or json_valid(scopes));
-- To the minute.
alter table agent_key add column last_used_at integer;
