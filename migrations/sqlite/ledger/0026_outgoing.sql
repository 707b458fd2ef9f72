-- What leaves our treasury on public networks: payouts of the rail `chain`, and refunds of payments that came there. A table whose walls
-- grow is made anew, row for row: SQLite changes none in place, and a table that is dropped takes its guards with it.

-- `destination` of the rail `chain`: network (CAIP-2), token and address, with slashes between them.
create table wider_payout (
    id blob primary key check (length(id) = 16),
    settlement blob not null unique check (length(settlement) = 16),
    provider integer not null,
    payable integer not null,
    rail text not null check (rail in ('ledger', 'manual', 'chain')),
    wallet integer,
    destination text,
    amount integer not null check (amount > 0),
    transfer blob unique check (length(transfer) = 16),
    at integer not null,
    batch integer not null,
    paid_batch integer,
    check ((rail = 'ledger') = (wallet is not null)),
    check ((rail <> 'ledger') = (destination is not null)),
    check (rail <> 'ledger' or transfer is not null),
    check ((transfer is null) = (paid_batch is null))
) strict, without rowid;
insert into wider_payout
    (id, settlement, provider, payable, rail, wallet, destination, amount, transfer, at, batch, paid_batch)
    select id, settlement, provider, payable, rail, wallet, destination, amount, transfer, at, batch, paid_batch from payout;
drop table payout;
alter table wider_payout rename to payout;
create index payout_provider on payout (provider, id);
create index payout_pending on payout (id) where transfer is null;
create index payout_batch on payout (batch);
create index payout_paid on payout (paid_batch) where paid_batch is not null;
create trigger payout_no_update before update on payout
    when old.transfer is not null or new.transfer is null or new.id <> old.id or new.settlement <> old.settlement
      or new.provider <> old.provider or new.payable <> old.payable or new.rail <> old.rail
      or new.wallet is not old.wallet or new.destination is not old.destination or new.amount <> old.amount
      or new.at <> old.at or new.batch <> old.batch
    begin select raise(abort, 'payouts are only ever paid'); end;
create trigger payout_no_delete before delete on payout begin select raise(abort, 'payouts are never deleted'); end;

-- A transfer of ours on a public network, by the name of the payout or the refund that it is for, and written in that one's commit.
-- `payment` is the number of the payment that is given back. `due`: to be sent. `sent`: handed to whoever sends. `paid`: in the transaction
-- `hash`, in a block that counts. `failed`: it did not move and is not tried again until a person says so. `void`: nothing is to be sent
-- any more. `steps` counts how often that changed, `tries` how often a person had it tried again.
create table outgoing (
    id blob primary key check (length(id) = 16),
    payment integer,
    provider integer not null,
    network text not null,
    token blob not null check (length(token) = 20),
    recipient blob not null check (length(recipient) = 20),
    amount integer not null check (amount > 0),
    state text not null check (state in ('due', 'sent', 'paid', 'failed', 'void')),
    hash blob check (length(hash) = 32),
    reason text,
    tries integer not null check (tries >= 0),
    steps integer not null check (steps >= 0),
    at integer not null,
    batch integer not null,
    changed_at integer not null,
    check (state <> 'paid' or hash is not null),
    check ((state = 'failed') = (reason is not null))
) strict, without rowid;
create index outgoing_open on outgoing (network, id) where state in ('due', 'sent');
create index outgoing_payment on outgoing (payment) where payment is not null;
create index outgoing_refunds on outgoing (at) where payment is not null;

-- What became of one, step by step.
create table outgoing_step (
    outgoing blob not null check (length(outgoing) = 16),
    number integer not null check (number > 0),
    state text not null check (state in ('due', 'sent', 'paid', 'failed', 'void')),
    hash blob check (length(hash) = 32),
    reason text,
    at integer not null,
    batch integer not null,
    primary key (outgoing, number)
) strict, without rowid;
create index outgoing_step_batch on outgoing_step (batch);

create trigger outgoing_no_update before update on outgoing
    when old.state in ('paid', 'void') or new.steps <> old.steps + 1 or new.id <> old.id or new.payment is not old.payment
      or new.provider <> old.provider or new.network <> old.network or new.token <> old.token
      or new.recipient <> old.recipient or new.amount <> old.amount or new.at <> old.at or new.batch <> old.batch
    begin select raise(abort, 'what leaves only goes on'); end;
create trigger outgoing_no_delete before delete on outgoing begin select raise(abort, 'what leaves is never deleted'); end;
create trigger outgoing_step_no_update before update on outgoing_step begin select raise(abort, 'steps are never changed'); end;
create trigger outgoing_step_no_delete before delete on outgoing_step begin select raise(abort, 'steps are never deleted'); end;
