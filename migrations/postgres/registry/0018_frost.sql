-- The same as on SQLite (migrations/sqlite/registry): whether the operator froze it.
alter table agent add column frozen_by_operator boolean not null default false;
alter table wallet add column frozen_by_operator boolean not null default false;
