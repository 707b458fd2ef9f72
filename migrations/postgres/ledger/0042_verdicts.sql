-- One transaction pays once on networks that are no EVM ones. Where it was booked for two payments before there was this wall, both stand as
-- they were booked, and `spent_before` says of the later ones that their transaction had paid before.
alter table intent add column spent_before bigint check (spent_before = 1);
update intent set spent_before = 1
  where substr(network, 1, 7) <> 'eip155:' and hash is not null
    and exists (select 1 from intent o where o.network = intent.network and o.hash = intent.hash and o.payment < intent.payment
      and substr(o.network, 1, 7) <> 'eip155:' and o.hash is not null);
drop index intent_foreign;
create unique index intent_foreign on intent (network, hash)
    where substr(network, 1, 7) <> 'eip155:' and hash is not null and spent_before is null;

-- What a person says became of a payment of which nobody knew, written in the commit that makes it so: it moved in the transaction `hash`, or
-- without one it never did. Who said it stands in `mover`, under the payment's name.
create table verdict (
    payment bytea primary key check (length(payment) = 16),
    network text not null,
    token bytea not null,
    amount bigint not null check (amount > 0),
    hash bytea,
    at bigint not null,
    batch bigint not null
);
create index verdict_batch on verdict (batch);
create trigger verdict_no_change before update or delete on verdict for each row execute function money_rows_stay();
create trigger verdict_no_truncate before truncate on verdict execute function money_rows_stay();
