//! The invariants of what transactions on public networks paid for, and of payments where words are all there is.

use super::invariants::Invariant;

pub(super) const FOREIGN: &[Invariant] = &[
    Invariant {
        name: "transactions_pay_once",
        meaning: "on networks that are not read a transaction paid for one payment, but where it was booked for more before that was refused",
        sql: "select count(*) from (select 1 from intent where substr(network, 1, 7) <> 'eip155:' and hash is not null
            and spent_before is null group by network, substr(hash, 1) having count(*) > 1) spent",
    },
    Invariant {
        name: "transactions_pay_as_often_as_they_show",
        meaning: "a transaction that does not tell payments apart is booked for no more of them than it shows",
        sql: "select count(*) from (select 1 from intent where one_of is not null
            group by network, hash, token, payer, pay_to, moved having count(*) > max(one_of)) shared_out",
    },
    Invariant {
        name: "verdicts_stand",
        meaning: "what a person said of a payment of which nobody knew is what the books have of it, and they know who said it",
        sql: "select (select count(*) from verdict v left join payment p on p.id = v.payment left join intent i on i.payment = v.payment
               where case when v.hash is null then p.seq is not null
                 else p.seq is null or p.batch <> v.batch or p.gross <> v.amount or i.hash is distinct from v.hash end)
          + (select count(*) from verdict v where not exists (select 1 from mover m where m.moved = v.payment and m.batch = v.batch))",
    },
];
