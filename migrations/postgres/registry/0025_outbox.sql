-- Transactions of our own key on public networks, written down before they are sent: whatever crashes, they are sent again under
-- their own nonce until the chain has one of that nonce.
create table sent_transaction (
    -- CAIP-2, and the address of the key.
    network text not null,
    account text not null,
    nonce bigint not null check (nonce >= 0),
    -- What it moves and all of its versions, as JSON.
    document text not null,
    -- Which version of it the chain has, and what became of its members, as JSON.
    landed text,
    outcomes text,
    closed bigint not null default 0 check (closed in (0, 1)),
    at bigint not null,
    primary key (network, account, nonce)
);

-- Whose signatures ever stood in one: anybody may have read them there.
create table sent_member (
    network text not null,
    account text not null,
    member text not null,
    at bigint not null,
    primary key (network, account, member)
);
create index sent_member_at on sent_member (at);
