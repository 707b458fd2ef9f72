-- The books, in the schema `ledger`. One process writes them, under the lease (ledger/src/commit/postgres.rs), everyone may
-- read them. Money rows are never updated or deleted; sums beside them (balance, spend_window, call_count, usage_minute)
-- change in the commit that writes the rows they sum. Amounts are atomic units of the one wallet asset, times are Unix
-- milliseconds. The tables are those of SQLite (migrations/sqlite/ledger), with the fence beside them.

-- SQLite's names for what the shared reads ask: one text then reads both databases.
create function unhex(digits text) returns bytea language sql immutable strict as $$ select decode($1, 'hex') $$;
create function json_each(items text) returns table (value text) language sql immutable strict as
  $$ select json_array_elements_text($1::json) $$;
create function unixepoch(seconds bigint, format text, modifier text) returns bigint language sql immutable strict as
  $$ select case when $2 = 'unixepoch' and $3 = 'start of month'
       then extract(epoch from date_trunc('month', to_timestamp($1) at time zone 'UTC') at time zone 'UTC')::bigint end $$;

-- A wall inside a statement: undoes it, as a constraint does.
create function refuse(why text) returns bigint language plpgsql as
  $$ begin raise exception using errcode = 'check_violation', message = why; end $$;

-- Who this ledger is: made at first start, never changed. Signed payments are bound to the asset.
create table meta (
    id bigint primary key check (id = 1),
    chain_id bigint not null check (chain_id > 0),
    asset_name text not null,
    asset_version text not null,
    asset_address bytea not null check (length(asset_address) = 20),
    secret bytea not null check (length(secret) = 32)
);

-- The last batch: tells whether an ambiguous COMMIT happened. `open` is the list of payments (16 bytes each) that were
-- captured and whose delivery was not confirmed when the batch was written. `epoch` is the owner's: a batch of another
-- epoch writes nothing.
create table marker (
    id bigint primary key check (id = 1),
    batch bigint not null,
    at bigint not null,
    seq bigint not null,
    gross bigint not null,
    open bytea not null check (length(open) % 16 = 0),
    epoch bigint not null
) with (fillfactor = 20);
insert into marker (id, batch, at, seq, gross, open, epoch) values (1, 0, 0, 0, 0, '', 0);

-- Who owns the books, and until when. Taking over raises the epoch here and in the marker.
create table lease (
    id bigint primary key check (id = 1),
    owner text not null,
    epoch bigint not null,
    expires_at timestamptz not null
) with (fillfactor = 20);
insert into lease (id, owner, epoch, expires_at) values (1, '', 0, to_timestamp(0));

create table account (
    id bigint primary key,
    kind text not null check (kind in ('external', 'wallet', 'provider', 'fee')),
    wallet bytea unique check (length(wallet) = 16),
    provider text,
    created_at bigint not null,
    unique (provider, kind),
    check ((kind = 'wallet') = (wallet is not null)),
    check ((kind in ('provider', 'fee')) = (provider is not null))
);

-- `floor` 1: the account may not go below zero.
create table balance (
    account bigint primary key,
    floor bigint not null check (floor in (0, 1)),
    debits bigint not null check (debits >= 0),
    credits bigint not null check (credits >= 0),
    check (floor = 0 or credits >= debits)
) with (fillfactor = 60);

insert into account (id, kind, created_at) values (1, 'external', 0);
insert into balance (account, floor, debits, credits) values (1, 0, 0, 0);

-- One captured payment: debits the wallet by gross, credits the provider by gross - fee and the fee account by fee.
-- `call` is the payer's how-manieth call with the provider in the month of the hold: it chose the tier.
create table payment (
    seq bigint primary key,
    id bytea not null check (length(id) = 16),
    agent bytea not null check (length(agent) = 16),
    wallet bigint not null,
    provider bigint not null,
    fee_account bigint not null,
    route text not null,
    gross bigint not null check (gross >= 0),
    fee bigint not null check (fee between 0 and gross),
    revision bigint not null,
    call bigint not null check (call > 0),
    replay_key bytea check (length(replay_key) = 24),
    digest bytea check (length(digest) = 32),
    fingerprint bytea not null check (length(fingerprint) = 16),
    idempotency bytea check (length(idempotency) = 16),
    held_at bigint not null,
    captured_at bigint not null,
    batch bigint not null
);
create unique index payment_id on payment (id);
-- Expiry first, then a digest: the index grows at its right edge. A signed payload is captured at most once, ever.
create unique index payment_replay_key on payment (replay_key) where replay_key is not null;

-- The whole of one payment, given back: its key says at most once.
create table refund (
    payment bigint primary key,
    id bytea not null unique check (length(id) = 16),
    amount bigint not null check (amount >= 0),
    fee bigint not null check (fee between 0 and amount),
    reason text not null check (reason in ('broken_off', 'upstream_failed', 'operator')),
    at bigint not null,
    batch bigint not null
);

create table transfer (
    id bytea primary key check (length(id) = 16),
    kind text not null check (kind in ('funding')),
    debit bigint not null,
    credit bigint not null,
    amount bigint not null check (amount > 0),
    idempotency_key text not null unique,
    external_reference text not null,
    at bigint not null,
    batch bigint not null,
    check (debit <> credit)
);

-- What an agent spent in a calendar window (period 0: day, 1: month) of its holds; `lim` is the highest limit that a
-- payment of the window was accepted under.
create table spend_window (
    agent bytea not null,
    period bigint not null check (period in (0, 1)),
    start bigint not null,
    spent bigint not null,
    lim bigint not null,
    primary key (agent, period, start),
    check (spent >= 0),
    check (spent <= lim)
) with (fillfactor = 60);

-- Calls of an agent with a provider in the calendar month of the holds: chooses the tier.
create table call_count (
    agent bytea not null,
    provider bigint not null,
    month bigint not null,
    calls bigint not null check (calls >= 0),
    primary key (agent, provider, month)
) with (fillfactor = 60);

-- For dashboards, which never scan payment. Minutes since the epoch, of the commit.
create table usage_minute (
    minute bigint not null,
    provider bigint not null,
    route text not null,
    payments bigint not null,
    gross bigint not null,
    fee bigint not null,
    refunds bigint not null,
    refunded bigint not null,
    refunded_fee bigint not null,
    primary key (minute, provider, route)
) with (fillfactor = 60);

-- The client's word for a request, for 24 hours.
create table idempotency (
    key bytea primary key check (length(key) = 16),
    payment bytea not null check (length(payment) = 16),
    fingerprint bytea not null check (length(fingerprint) = 16),
    expires_at bigint not null
);
create index idempotency_expiry on idempotency (expires_at);

-- Responses kept to answer the same request with the same bytes, for 24 hours. `headers` is JSON, values in hex.
create table response (
    payment bytea primary key check (length(payment) = 16),
    status bigint not null,
    headers text not null,
    body bytea not null,
    expires_at bigint not null
);
create index response_expiry on response (expires_at);

-- Pure double entry, for auditors: the rows of one kind and name sum to zero.
create view ledger_entry (kind, name, account, debit, credit, at) as
    select 'payment', id, wallet, gross, 0::bigint, captured_at from payment
    union all select 'payment', id, provider, 0, gross - fee, captured_at from payment
    union all select 'payment', id, fee_account, 0, fee, captured_at from payment
    union all select 'refund', r.id, p.wallet, 0, r.amount, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.provider, r.amount - r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.fee_account, r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'transfer', id, debit, amount, 0, at from transfer
    union all select 'transfer', id, credit, 0, amount, at from transfer;

create function money_rows_stay() returns trigger language plpgsql as
  $$ begin raise exception using errcode = 'check_violation', message = tg_table_name || ' rows are never changed'; end $$;
create trigger payment_no_change before update or delete on payment for each row execute function money_rows_stay();
create trigger payment_no_truncate before truncate on payment execute function money_rows_stay();
create trigger refund_no_change before update or delete on refund for each row execute function money_rows_stay();
create trigger refund_no_truncate before truncate on refund execute function money_rows_stay();
create trigger transfer_no_change before update or delete on transfer for each row execute function money_rows_stay();
create trigger transfer_no_truncate before truncate on transfer execute function money_rows_stay();
