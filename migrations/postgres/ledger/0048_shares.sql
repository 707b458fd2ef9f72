-- What is signed for Permit2 leaves no name in its transaction: how much that moved (`moved`), and for how many payments of one payer to one
-- address in one token it can be booked (`one_of`), because it shows so many. Null where a transaction names its payments, and of those that
-- were booked before there was this wall.
alter table intent add column moved bigint, add column one_of bigint;
-- Of rows that are new: the old ones have neither, and nobody waits until they were read.
alter table intent add constraint intent_moved check (moved >= 0) not valid,
    add constraint intent_one_of check (one_of is null or (one_of > 0 and moved is not null)) not valid;
create index intent_shared on intent (network, hash) where one_of is not null;
