-- Limits per hour, and of a route, a provider or a category; calls of a free allowance.

-- What an agent spent in a calendar window (period 0: day, 1: month, 2: hour) of its holds; `lim` is the highest limit that
-- a payment of the window was accepted under. `scope` is what the limit is on, `route:NAME` and so on; empty is everything.
-- Days and months of everything always count, the others for payments that were held while such a limit was set.
alter table spend_window add column scope text not null default '';
alter table spend_window alter column scope drop default;
alter table spend_window drop constraint spend_window_pkey;
alter table spend_window add primary key (agent, period, start, scope);
alter table spend_window drop constraint spend_window_period_check;
alter table spend_window add check (period in (0, 1, 2));

-- `windows`: those that a payment was charged to beside its day and month, as a JSON list of "period scope"; null is none.
-- `free`: it was one of the calls that its route gives each agent for nothing every day.
alter table payment add column windows text;
alter table payment add column free bigint not null default 0 check (free = 0 or (free = 1 and gross = 0));
create index payment_free on payment (agent, held_at) where free = 1;

-- `limits` are those that a hold counts for beside its day and month, as JSON: [[period, scope, units], ...].
alter table hold add column limits text not null default '[]';
alter table hold add column free bigint not null default 0 check (free in (0, 1));
alter table hold drop constraint hold_maximum_check;
alter table hold add check (maximum > 0 or (maximum = 0 and free = 1));
