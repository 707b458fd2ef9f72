-- Holds that outlive their process: on a route with capture = "before" the row is committed before the request is
-- forwarded, and deleted by the batch that captures or voids it. All that a capture needs stands here; the catalog may
-- have changed since. What is found at a start was left by a crash, and is captured.
create table hold (
    payment blob primary key check (length(payment) = 16),
    agent blob not null check (length(agent) = 16),
    wallet integer not null,
    provider integer not null,
    route text not null,
    -- What a call costs, as JSON: [[from call, units], ...], from call 1 on.
    price text not null,
    maximum integer not null check (maximum > 0),
    revision integer not null,
    -- The platform's share, in basis points.
    fee_points integer not null check (fee_points between 0 and 10000),
    per_day integer,
    per_month integer,
    replay_key blob unique check (length(replay_key) = 24),
    digest blob check (length(digest) = 32),
    fingerprint blob not null check (length(fingerprint) = 16),
    idempotency blob unique check (length(idempotency) = 16),
    held_at integer not null,
    batch integer not null
) strict, without rowid;
