-- The payments of an agent, for lists. An index of `payment` would write a page for each payment, since those of a batch are of many
-- agents; here they are entered a thousand at a time, in order. Those after `marker.entered` are not yet: the view knows both.
drop index payment_agent;

create table agent_payment (
    agent blob not null,
    payment integer not null,
    primary key (agent, payment)
) strict, without rowid;
insert into agent_payment (agent, payment) select agent, seq from payment order by agent, seq;

alter table marker add column entered integer not null default 0 check (entered >= 0);
update marker set entered = seq;

create view payment_of_agent (agent, seq) as
    select agent, payment from agent_payment
    union all select agent, seq from payment where seq > (select entered from marker);
