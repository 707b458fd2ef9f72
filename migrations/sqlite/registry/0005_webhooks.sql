-- Who is told of events, what is still to be told, and how far the ledger's movements were made events.

-- A receiver. Its queue is the log itself: everything after `position`, and the rows of webhook_delivery.
create table webhook (
    id              blob    not null primary key check (length(id) = 16),
    url             text    not null check (length(url) between 1 and 2048),
    -- A JSON list; null is every type.
    types           text    check (types is null or json_valid(types)),
    -- Whose events it gets; without either, everybody's.
    provider        text,
    owner           text,
    secret          blob    not null check (length(secret) between 24 and 64),
    -- What is signed with as well, until then.
    previous_secret blob    check (length(previous_secret) between 24 and 64),
    previous_until  integer,
    -- Events at or before it were delivered, are dead, or have a row.
    position        integer not null check (position >= 0),
    -- Why nothing is sent; null where it is.
    disabled        text    check (disabled in ('asked', 'gone', 'failing')),
    -- Since when nothing succeeded.
    failing_since   integer,
    -- The process that sends, and until when no other one does.
    sender          blob    check (length(sender) = 16),
    sender_until    integer not null default 0,
    created_at      integer not null,
    check ((previous_secret is null) = (previous_until is null)),
    check (provider is null or owner is null)
) strict, without rowid;

-- What must be sent again, what no longer is, and for some days what was delivered.
create table webhook_delivery (
    webhook  blob    not null references webhook (id) on delete cascade,
    position integer not null,
    event    blob    not null check (length(event) = 16),
    type     text    not null,
    state    text    not null check (state in ('pending', 'delivered', 'dead')),
    attempts integer not null check (attempts >= 0),
    -- Of the next attempt where pending, else of the last one.
    at       integer not null,
    -- Of the last attempt's answer, or why there was none.
    status   integer,
    error    text,
    primary key (webhook, position)
) strict, without rowid;

create index webhook_delivery_pending on webhook_delivery (webhook, at) where state = 'pending';
create index webhook_delivery_dead on webhook_delivery (webhook) where state = 'dead';
create index webhook_delivery_state on webhook_delivery (webhook, state, position);

-- One row: the ledger's batch and payment up to which events were made.
create table sequence (
    only  integer not null primary key check (only = 1),
    batch integer not null check (batch >= 0),
    seq   integer not null check (seq >= 0)
) strict;

insert into sequence (only, batch, seq) values (1, 0, 0);

-- The last funding of each wallet: what a threshold in per cent is of.
create table wallet_funding (
    wallet blob    not null primary key check (length(wallet) = 16),
    amount integer not null check (amount > 0),
    at     integer not null
) strict, without rowid;

-- Thresholds of balances. One that is not armed was told of, and is armed when the balance is above it again.
create table alert (
    id         blob    not null primary key check (length(id) = 16),
    wallet     blob    not null check (length(wallet) = 16),
    amount     integer check (amount > 0),
    percent    integer check (percent between 1 and 100),
    armed      integer not null check (armed in (0, 1)),
    -- The ledger's batch of the look that armed or told last: an older look changes nothing.
    looked     integer not null,
    created_at integer not null,
    check ((amount is null) <> (percent is null))
) strict, without rowid;

create index alert_wallet on alert (wallet, id);
