-- Who asked for what moved, by the name of the refund, the transfer or the settlement: whoever asked says how they are called.
-- What was moved by a rule is nobody's. Written in the commit that moves it, so that no crash can part the two.
create table mover (
    moved blob primary key check (length(moved) = 16),
    who text not null check (who <> ''),
    batch integer not null
) strict, without rowid;
create index mover_batch on mover (batch);

create trigger mover_no_update before update on mover begin select raise(abort, 'movers are never changed'); end;
create trigger mover_no_delete before delete on mover begin select raise(abort, 'movers are never deleted'); end;
