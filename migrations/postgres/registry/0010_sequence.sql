-- The same as on SQLite (migrations/sqlite/registry): whether events are made of the ledger's movements.
alter table sequence add column begun boolean not null default false;

update sequence set begun = true where batch > 0 or seq > 0;
