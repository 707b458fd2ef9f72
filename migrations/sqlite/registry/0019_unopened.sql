-- A wallet is made here first and opened in the ledger after. Those from before were opened first.
alter table wallet add column opened integer not null default 1 check (opened in (0, 1));
create index wallet_unopened on wallet (id) where not opened;
