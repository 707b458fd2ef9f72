-- Work that one process does at a time, where several share the database: whose turn it is, and until when (Unix milliseconds).
create table duty (
    name text primary key,
    holder bytea not null check (length(holder) = 16),
    until bigint not null
);
