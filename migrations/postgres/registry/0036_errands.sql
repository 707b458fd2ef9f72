-- What is asked of whoever settles by a key of ours, where several processes share the database: payments that are to be moved, by
-- whichever process, and what became of each. The one that has the key's turn reads and answers them.
create table errand (
    -- CAIP-2, and the address of the key.
    network text not null,
    account text not null,
    member text not null,
    -- What is to be moved, as JSON.
    document text not null,
    -- What became of it, as JSON; none while it is asked for.
    answer text,
    -- When it was asked for the last time (Unix milliseconds).
    at bigint not null,
    primary key (network, account, member)
);
create index errand_open on errand (network, account, at) where answer is null;
create index errand_at on errand (at);

-- Until when (Unix milliseconds) whoever has the turn says that it can send.
create table errand_taker (
    network text not null,
    account text not null,
    able_until bigint not null,
    primary key (network, account)
);
