-- A policy's limit per hour, and its limits on routes, providers and categories, as a JSON list of [scope, window, units];
-- null is no such rule.
alter table agent add column per_hour bigint check (per_hour >= 0);
alter table agent add column limits text check (json_typeof(limits::json) = 'array');
