-- Whether a receiver is the operator's own, whosever events it hears: no tenant then sees or changes it. What was made for a
-- tenant before stays the tenant's.
alter table webhook add column of_operator integer not null default 0 check (of_operator in (0, 1));
