-- The same as on SQLite. Where payouts of providers go. The last one that is in force and was not cancelled counts; one that waits is the last of all.
create table payout_destination (
    provider     text    not null,
    number       bigint not null check (number > 0),
    rail         text    not null check (rail in ('ledger', 'manual')),
    -- Of the rail `ledger`.
    wallet       bytea check (length(wallet) = 16),
    -- Of the rail `manual`: what whoever pays has to read.
    reference    text    check (length(reference) between 1 and 255),
    requested_at bigint not null,
    effective_at bigint not null,
    cancelled_at bigint,
    -- Whether an event told that it is in force.
    announced    boolean not null,
    primary key (provider, number),
    check ((rail = 'ledger') = (wallet is not null)),
    check ((rail = 'manual') = (reference is not null))
);

create index payout_destination_waiting on payout_destination (effective_at) where not announced and cancelled_at is null;
