-- Payouts on public networks. The tables are those of SQLite.
-- Of the rail `chain` the reference is network (CAIP-2), token and address, with slashes between them.
alter table payout_destination
    drop constraint payout_destination_rail_check,
    drop constraint payout_destination_check,
    drop constraint payout_destination_check1,
    add constraint payout_destination_rail_check check (rail in ('ledger', 'manual', 'chain')),
    add constraint payout_destination_wallet_of_rail check ((rail = 'ledger') = (wallet is not null)),
    add constraint payout_destination_reference_of_rail check ((rail <> 'ledger') = (reference is not null));

-- Transfers of our own that stand in a transaction, or stood: nothing else keeps one from being sent twice, so that none is ever
-- forgotten. `outcome` once the chain has a transaction of that nonce in a block that counts, as JSON.
create table sent_transfer (
    member text primary key,
    network text not null,
    account text not null,
    nonce bigint not null,
    outcome text,
    at bigint not null
);
create index sent_transfer_nonce on sent_transfer (network, account, nonce);
