-- Where payouts of providers go. The last one that is in force and was not cancelled counts; one that waits is the last of all.
create table payout_destination (
    provider     text    not null,
    number       integer not null check (number > 0),
    rail         text    not null check (rail in ('ledger', 'manual')),
    -- Of the rail `ledger`.
    wallet       blob check (length(wallet) = 16),
    -- Of the rail `manual`: what whoever pays has to read.
    reference    text    check (length(reference) between 1 and 255),
    requested_at integer not null,
    effective_at integer not null,
    cancelled_at integer,
    -- Whether an event told that it is in force.
    announced    integer not null check (announced in (0, 1)),
    primary key (provider, number),
    check ((rail = 'ledger') = (wallet is not null)),
    check ((rail = 'manual') = (reference is not null))
) strict, without rowid;

create index payout_destination_waiting on payout_destination (effective_at) where announced = 0 and cancelled_at is null;
