-- The same as on SQLite (migrations/sqlite/registry): whether the ledger has opened the wallet.
alter table wallet add column opened boolean not null default true;
create index wallet_unopened on wallet (id) where not opened;
