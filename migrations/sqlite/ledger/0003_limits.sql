-- Limits per hour, and of a route, a provider or a category; calls of a free allowance. Tables whose walls grow are made
-- anew, row for row: SQLite changes none in place.

-- What an agent spent in a calendar window (period 0: day, 1: month, 2: hour) of its holds; `lim` is the highest limit that
-- a payment of the window was accepted under. `scope` is what the limit is on, `route:NAME` and so on; empty is everything.
-- Days and months of everything always count, the others for payments that were held while such a limit was set.
create table wider_window (
    agent blob not null,
    period integer not null check (period in (0, 1, 2)),
    start integer not null,
    scope text not null,
    spent integer not null,
    lim integer not null,
    primary key (agent, period, start, scope),
    check (spent >= 0),
    check (spent <= lim)
) strict, without rowid;
insert into wider_window (agent, period, start, scope, spent, lim)
    select agent, period, start, '', spent, lim from spend_window;
drop table spend_window;
alter table wider_window rename to spend_window;

-- `windows`: those that a payment was charged to beside its day and month, as a JSON list of "period scope"; null is none.
-- `free`: it was one of the calls that its route gives each agent for nothing every day.
alter table payment add column windows text;
alter table payment add column free integer not null default 0 check (free = 0 or (free = 1 and gross = 0));
create index payment_free on payment (agent, held_at) where free = 1;

-- `limits` are those that a hold counts for beside its day and month, as JSON: [[period, scope, units], ...].
create table wider_hold (
    payment blob primary key check (length(payment) = 16),
    agent blob not null check (length(agent) = 16),
    wallet integer not null,
    provider integer not null,
    route text not null,
    -- What a call costs, as JSON: [[from call, units], ...], from call 1 on.
    price text not null,
    maximum integer not null check (maximum > 0 or (maximum = 0 and free = 1)),
    revision integer not null,
    -- The platform's share, in basis points.
    fee_points integer not null check (fee_points between 0 and 10000),
    per_day integer,
    per_month integer,
    limits text not null,
    free integer not null check (free in (0, 1)),
    replay_key blob unique check (length(replay_key) = 24),
    digest blob check (length(digest) = 32),
    fingerprint blob not null check (length(fingerprint) = 16),
    idempotency blob unique check (length(idempotency) = 16),
    held_at integer not null,
    batch integer not null
) strict, without rowid;
insert into wider_hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
    limits, free, replay_key, digest, fingerprint, idempotency, held_at, batch)
    select payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
      '[]', 0, replay_key, digest, fingerprint, idempotency, held_at, batch from hold;
drop table hold;
alter table wider_hold rename to hold;
