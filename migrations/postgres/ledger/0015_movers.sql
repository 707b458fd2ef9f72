-- Who asked for what moved, by the name of the refund, the transfer or the settlement: whoever asked says how they are called.
-- What was moved by a rule is nobody's. Written in the commit that moves it, so that no crash can part the two.
create table mover (
    moved bytea primary key check (length(moved) = 16),
    who text not null check (who <> ''),
    batch bigint not null
);
create index mover_batch on mover (batch);

create trigger mover_no_change before update or delete on mover for each row execute function money_rows_stay();
create trigger mover_no_truncate before truncate on mover execute function money_rows_stay();
