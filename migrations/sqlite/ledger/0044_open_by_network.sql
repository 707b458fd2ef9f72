-- What is open is read network by network: one that stands still is in no other's way.
drop index intent_open;
create index intent_open on intent (network, valid_before) where closed is null;
