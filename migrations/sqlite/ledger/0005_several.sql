-- How a hold is closed where its process is gone: `before` is captured, `after` is voided. Here only `before` has a row; with
-- several gateways on PostgreSQL every hold has one.
alter table hold add column capture text not null default 'before' check (capture in ('before', 'after'));
