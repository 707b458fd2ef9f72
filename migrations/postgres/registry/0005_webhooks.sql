-- The same tables as on SQLite (migrations/sqlite/registry). Who is told of events, what is still to be told, and how far the
-- ledger's movements were made events.

-- SQLite's names for them: one text then reads a list on both databases.
create function unhex(digits text) returns bytea language sql immutable strict as $$ select decode($1, 'hex') $$;
create function json_each(items text) returns table (value text) language sql immutable strict as
  $$ select json_array_elements_text($1::json) $$;

-- A receiver. Its queue is the log itself: everything after `position`, and the rows of webhook_delivery.
create table webhook (
    id              bytea  not null primary key check (length(id) = 16),
    url             text   not null check (length(url) between 1 and 2048),
    -- A JSON list; null is every type.
    types           text   check (json_typeof(types::json) = 'array'),
    -- Whose events it gets; without either, everybody's.
    provider        text,
    owner           text,
    secret          bytea  not null check (length(secret) between 24 and 64),
    -- What is signed with as well, until then.
    previous_secret bytea  check (length(previous_secret) between 24 and 64),
    previous_until  bigint,
    -- Events at or before it were delivered, are dead, or have a row.
    position        bigint not null check (position >= 0),
    -- Why nothing is sent; null where it is.
    disabled        text   check (disabled in ('asked', 'gone', 'failing')),
    -- Since when nothing succeeded.
    failing_since   bigint,
    -- The process that sends, and until when no other one does.
    sender          bytea  check (length(sender) = 16),
    sender_until    bigint not null default 0,
    created_at      bigint not null,
    check ((previous_secret is null) = (previous_until is null)),
    check (provider is null or owner is null)
);

-- What must be sent again, what no longer is, and for some days what was delivered.
create table webhook_delivery (
    webhook  bytea  not null references webhook (id) on delete cascade,
    position bigint not null,
    event    bytea  not null check (length(event) = 16),
    type     text   not null,
    state    text   not null check (state in ('pending', 'delivered', 'dead')),
    attempts bigint not null check (attempts >= 0),
    -- Of the next attempt where pending, else of the last one.
    at       bigint not null,
    -- Of the last attempt's answer, or why there was none.
    status   bigint,
    error    text,
    primary key (webhook, position)
);

create index webhook_delivery_pending on webhook_delivery (webhook, at) where state = 'pending';
create index webhook_delivery_dead on webhook_delivery (webhook) where state = 'dead';
create index webhook_delivery_state on webhook_delivery (webhook, state, position);

-- One row: the ledger's batch and payment up to which events were made.
create table sequence (
    single bigint not null primary key check (single = 1),
    batch  bigint not null check (batch >= 0),
    seq    bigint not null check (seq >= 0)
);

insert into sequence (single, batch, seq) values (1, 0, 0);

-- The last funding of each wallet: what a threshold in per cent is of.
create table wallet_funding (
    wallet bytea  not null primary key check (length(wallet) = 16),
    amount bigint not null check (amount > 0),
    at     bigint not null
);

-- Thresholds of balances. One that is not armed was told of, and is armed when the balance is above it again.
create table alert (
    id         bytea   not null primary key check (length(id) = 16),
    wallet     bytea   not null check (length(wallet) = 16),
    amount     bigint  check (amount > 0),
    percent    bigint  check (percent between 1 and 100),
    armed      boolean not null,
    -- The ledger's batch of the look that armed or told last: an older look changes nothing.
    looked     bigint not null,
    created_at bigint  not null,
    check ((amount is null) <> (percent is null))
);

create index alert_wallet on alert (wallet, id);
