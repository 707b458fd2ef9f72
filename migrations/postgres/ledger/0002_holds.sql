-- Holds that outlive their process: on a route with capture = "before" the row is committed before the request is
-- forwarded, and deleted by the batch that captures or voids it. All that a capture needs stands here; the catalog may
-- have changed since. What is found at a start was left by a crash, and is captured.
create table hold (
    payment bytea primary key check (length(payment) = 16),
    agent bytea not null check (length(agent) = 16),
    wallet bigint not null,
    provider bigint not null,
    route text not null,
    -- What a call costs, as JSON: [[from call, units], ...], from call 1 on.
    price text not null,
    maximum bigint not null check (maximum > 0),
    revision bigint not null,
    -- The platform's share, in basis points.
    fee_points bigint not null check (fee_points between 0 and 10000),
    per_day bigint,
    per_month bigint,
    replay_key bytea unique check (length(replay_key) = 24),
    digest bytea check (length(digest) = 32),
    fingerprint bytea not null check (length(fingerprint) = 16),
    idempotency bytea unique check (length(idempotency) = 16),
    held_at bigint not null,
    batch bigint not null
);
