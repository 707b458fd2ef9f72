-- The same as on SQLite (migrations/sqlite/registry): what the configuration file said of the agent last.
alter table agent add column file_entry bytea check (length(file_entry) = 32);
