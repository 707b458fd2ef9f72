-- What is signed for Permit2 leaves no name in its transaction: how much that moved (`moved`), and for how many payments of one payer to one
-- address in one token it can be booked (`one_of`), because it shows so many. Null where a transaction names its payments, and of those that
-- were booked before there was this wall.
alter table intent add column moved bigint check (moved >= 0);
alter table intent add column one_of bigint check (one_of is null or (one_of > 0 and moved is not null));
create index intent_shared on intent (network, hash) where one_of is not null;
