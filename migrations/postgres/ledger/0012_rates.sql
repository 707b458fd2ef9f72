-- The rate limits of several gateways (coordination = "db"), a row for each consumer of each limit: until when its calls were
-- let through in advance (GCRA), in microseconds of this server's clock. A row whose time has passed says nothing and is
-- deleted. Unlogged: a server that crashes forgets them, which only forgives.
create unlogged table rate (
    key text primary key,
    until bigint not null
) with (fillfactor = 50);
