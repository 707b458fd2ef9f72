-- Several gateways tell each other what their batches changed (coordination = "db"), so that what one has in memory is brought up to
-- date and not read again: a row a batch, in a form of its own (ledger/src/change/wire.rs), for the last few hundred. Nothing hangs on
-- it: whoever misses a row, or comes with a new connection, reads the books. Unlogged: a server that crashes forgets it, and all
-- connections with it.
create unlogged table change (
    batch bigint primary key,
    body bytea not null
);
alter table change alter column body set storage external;

-- Most holds have none of these keys, and need not stand in their indexes. The same signature has the same nonce.
alter table hold drop constraint hold_replay_key_key, drop constraint hold_idempotency_key;
drop index hold_nonce;
create unique index hold_nonce on hold (substr(replay_key, 9)) where replay_key is not null;
create unique index hold_idempotency on hold (idempotency) where idempotency is not null;
