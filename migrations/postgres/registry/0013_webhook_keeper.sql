-- The same as on SQLite (migrations/sqlite/registry): whether a receiver is the operator's own.
alter table webhook add column of_operator boolean not null default false;
