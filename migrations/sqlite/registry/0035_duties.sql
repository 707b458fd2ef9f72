-- Work that one process does at a time: whose turn it is, and until when (Unix milliseconds). Here there is one process.
create table duty (
    name text primary key,
    holder blob not null check (length(holder) = 16),
    until integer not null
) strict;
