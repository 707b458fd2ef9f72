-- What each payer on a public network has open, kept as a sum: a payer may have thousands of small payments open, and to add them up for each
-- hold takes milliseconds, under the lock that all gateways wait for. What was seen to move is not open any more, and a deposit buys nothing.
-- SQLite has one gateway, which counts in memory.
-- Gateways of the version before may be at work: what they write is in the sum or meets the trigger.
lock table intent in access exclusive mode;
create table unsettled (
    payer bytea not null,
    network text not null,
    units bigint not null check (units >= 0),
    primary key (payer, network)
) with (fillfactor = 50);
insert into unsettled (payer, network, units)
  select payer, network, sum(amount) from intent where closed is null and hash is null and deposit is null group by payer, network;

create function intent_unsettled() returns trigger language plpgsql as $$
declare
    change bigint := 0;
    named intent := case tg_op when 'DELETE' then old else new end;
begin
    if tg_op <> 'INSERT' and old.closed is null and old.hash is null and old.deposit is null then
        change := change - old.amount;
    end if;
    if tg_op <> 'DELETE' and new.closed is null and new.hash is null and new.deposit is null then
        change := change + new.amount;
    end if;
    if change > 0 then
        insert into unsettled as u (payer, network, units) values (named.payer, named.network, change)
          on conflict (payer, network) do update set units = u.units + excluded.units;
    elsif change < 0 then
        update unsettled u set units = u.units + change where u.payer = named.payer and u.network = named.network;
    end if;
    return null;
end $$;
create trigger intent_unsettled after insert or update or delete on intent for each row execute function intent_unsettled();
-- Nothing adds them up any more.
drop index intent_unsettled;
