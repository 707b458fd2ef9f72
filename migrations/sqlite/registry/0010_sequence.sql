-- Whether events are made of the ledger's movements: what was committed before they first were is history, and told to nobody.
alter table sequence add column begun integer not null default 0 check (begun in (0, 1));

-- A place that moved has begun.
update sequence set begun = 1 where batch > 0 or seq > 0;
