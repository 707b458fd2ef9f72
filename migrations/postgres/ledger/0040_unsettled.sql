-- What a payer on a public network has open, for several gateways that have one limit on it: only rows of what is open, and nothing but the
-- index is read. SQLite has one gateway, which counts in memory.
create index intent_unsettled on intent (payer, network) include (payment, amount)
    where closed is null and hash is null and deposit is null;
