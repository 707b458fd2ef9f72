//! The invariants of what leaves our treasury on public networks.

use super::invariants::Invariant;

pub(super) const OUTGOING: &[Invariant] = &[
    Invariant {
        name: "outgoing_is_booked",
        meaning: "what leaves the treasury is a payout there, a refund of what came there, or given back out of suspense, each once and of its amount",
        sql: "select (select count(*) from outgoing g
               where not exists (select 1 from payout o where o.id = g.id and o.rail = 'chain' and g.payment is null
                   and o.amount = g.amount and o.provider = g.provider and o.destination like g.network || '/%')
                 and not exists (select 1 from refund r join payment p on p.seq = r.payment
                   join intent i on i.payment = p.id and i.custody = 'treasury'
                   where r.id = g.id and r.payment = g.payment and r.amount = g.amount and r.provider = g.provider
                     and i.network = g.network and i.token = g.token and i.payer = g.recipient)
                 and not exists (select 1 from resolution r join difference d on d.payment = r.payment and d.network = g.network
                   where r.id = g.id and r.owed = 'payer' and r.payment = g.suspense and r.amount = g.amount
                     and (exists (select 1 from intent i where i.payment = g.suspense and i.token = g.token and i.payer = g.recipient)
                       or exists (select 1 from voided v where v.payment = g.suspense and v.token = g.token and v.payer = g.recipient))))
          + (select count(*) from payout o left join outgoing g on g.id = o.id where o.rail = 'chain' and g.id is null)
          + (select count(*) from refund r join payment p on p.seq = r.payment join intent i on i.payment = p.id
               left join outgoing g on g.id = r.id where r.reason <> 'written_off' and g.id is null)",
    },
    Invariant {
        name: "outgoing_goes_on",
        meaning: "a transfer is where its last step says, and left by a transaction of its own; a payout is paid with it; nothing is sent back of what has not come",
        sql: "select (select count(*) from outgoing g left join outgoing_step s on s.outgoing = g.id and s.number = g.steps
               where case g.steps when 0 then g.state <> 'due' else
                 s.state is distinct from g.state or s.hash is distinct from g.hash or s.reason is distinct from g.reason end)
          + (select count(*) from outgoing g
               where g.steps <> (select count(*) from outgoing_step s where s.outgoing = g.id))
          + (select count(*) from outgoing_step s where not exists (select 1 from outgoing g where g.id = s.outgoing))
          + (select count(*) from outgoing g join outgoing o on o.hash = g.hash and o.network = g.network and o.id > g.id
               where g.state = 'paid' and o.state = 'paid')
          + (select count(*) from outgoing g join payout o on o.id = g.id
               where (g.state in ('paid', 'void')) <> (o.transfer is not null))
          + (select count(*) from outgoing g join payment p on p.seq = g.payment join intent i on i.payment = p.id
               where (g.state = 'void') <> (i.closed is not null and i.closed = 'written_off')
                 or (g.state in ('sent', 'paid', 'failed') and i.closed is distinct from 'settled'))",
    },
];
