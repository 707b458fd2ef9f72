-- What leaves our treasury on public networks: payouts of the rail `chain`, and refunds of payments that came there. The tables are
-- those of SQLite.

-- `destination` of the rail `chain`: network (CAIP-2), token and address, with slashes between them.
alter table payout
    drop constraint payout_rail_check,
    drop constraint payout_check,
    drop constraint payout_check1,
    drop constraint payout_check2,
    add constraint payout_rail_check check (rail in ('ledger', 'manual', 'chain')),
    add constraint payout_wallet_of_rail check ((rail = 'ledger') = (wallet is not null)),
    add constraint payout_destination_of_rail check ((rail <> 'ledger') = (destination is not null)),
    add constraint payout_transfer_of_rail check (rail <> 'ledger' or transfer is not null);

-- A transfer of ours on a public network, by the name of the payout or the refund that it is for, and written in that one's commit.
-- `payment` is the number of the payment that is given back. `due`: to be sent. `sent`: handed to whoever sends. `paid`: in the transaction
-- `hash`, in a block that counts. `failed`: it did not move and is not tried again until a person says so. `void`: nothing is to be sent
-- any more. `steps` counts how often that changed, `tries` how often a person had it tried again.
create table outgoing (
    id bytea primary key check (length(id) = 16),
    payment bigint,
    provider bigint not null,
    network text not null,
    token bytea not null check (length(token) = 20),
    recipient bytea not null check (length(recipient) = 20),
    amount bigint not null check (amount > 0),
    state text not null check (state in ('due', 'sent', 'paid', 'failed', 'void')),
    hash bytea check (length(hash) = 32),
    reason text,
    tries bigint not null check (tries >= 0),
    steps bigint not null check (steps >= 0),
    at bigint not null,
    batch bigint not null,
    changed_at bigint not null,
    check (state <> 'paid' or hash is not null),
    check ((state = 'failed') = (reason is not null))
);
create index outgoing_open on outgoing (network, id) where state in ('due', 'sent');
create index outgoing_payment on outgoing (payment) where payment is not null;
create index outgoing_refunds on outgoing (at) where payment is not null;

-- What became of one, step by step.
create table outgoing_step (
    outgoing bytea not null check (length(outgoing) = 16),
    number bigint not null check (number > 0),
    state text not null check (state in ('due', 'sent', 'paid', 'failed', 'void')),
    hash bytea check (length(hash) = 32),
    reason text,
    at bigint not null,
    batch bigint not null,
    primary key (outgoing, number)
);
create index outgoing_step_batch on outgoing_step (batch);

create function outgoing_goes_on() returns trigger language plpgsql as
  $$ begin raise exception using errcode = 'check_violation', message = 'what leaves only goes on'; end $$;
create trigger outgoing_no_update before update on outgoing for each row
  when (old.state in ('paid', 'void') or new.steps <> old.steps + 1
    or (new.id, new.payment, new.provider, new.network, new.token, new.recipient, new.amount, new.at, new.batch)
      is distinct from
       (old.id, old.payment, old.provider, old.network, old.token, old.recipient, old.amount, old.at, old.batch))
  execute function outgoing_goes_on();
create trigger outgoing_no_delete before delete on outgoing for each row execute function money_rows_stay();
create trigger outgoing_no_truncate before truncate on outgoing execute function money_rows_stay();
create trigger outgoing_step_no_change before update or delete on outgoing_step for each row execute function money_rows_stay();
create trigger outgoing_step_no_truncate before truncate on outgoing_step execute function money_rows_stay();
