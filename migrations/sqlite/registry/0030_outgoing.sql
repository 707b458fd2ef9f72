-- Payouts on public networks. A table whose walls grow is made anew, row for row: SQLite changes none in place.
create table wider_payout_destination (
    provider     text    not null,
    number       integer not null check (number > 0),
    rail         text    not null check (rail in ('ledger', 'manual', 'chain')),
    -- Of the rail `ledger`.
    wallet       blob check (length(wallet) = 16),
    -- Of the rail `manual`: what whoever pays has to read. Of `chain`: network (CAIP-2), token and address, with slashes between them.
    reference    text    check (length(reference) between 1 and 255),
    requested_at integer not null,
    effective_at integer not null,
    cancelled_at integer,
    -- Whether an event told that it is in force.
    announced    integer not null check (announced in (0, 1)),
    primary key (provider, number),
    check ((rail = 'ledger') = (wallet is not null)),
    check ((rail <> 'ledger') = (reference is not null))
) strict, without rowid;
insert into wider_payout_destination
    (provider, number, rail, wallet, reference, requested_at, effective_at, cancelled_at, announced)
    select provider, number, rail, wallet, reference, requested_at, effective_at, cancelled_at, announced
    from payout_destination;
drop table payout_destination;
alter table wider_payout_destination rename to payout_destination;
create index payout_destination_waiting on payout_destination (effective_at) where announced = 0 and cancelled_at is null;

-- Transfers of our own that stand in a transaction, or stood: nothing else keeps one from being sent twice, so that none is ever
-- forgotten. `outcome` once the chain has a transaction of that nonce in a block that counts, as JSON.
create table sent_transfer (
    member text primary key,
    network text not null,
    account text not null,
    nonce integer not null,
    outcome text,
    at integer not null
) strict, without rowid;
create index sent_transfer_nonce on sent_transfer (network, account, nonce);
