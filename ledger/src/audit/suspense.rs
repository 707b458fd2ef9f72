//! The invariants of what persons decide of money in suspense.

use super::invariants::Invariant;

pub(super) const SUSPENSE: &[Invariant] = &[
    Invariant {
        name: "suspense_is_resolved_once",
        meaning: "what is decided of money in suspense moves what was there and no more, and is booked, or sent back, by that one decision",
        sql: "select (select count(*) from resolution r left join payment p on p.id = r.booked
               where r.owed = 'provider' and (p.seq is null or p.wallet <> 0 or p.gross <> r.amount or p.provider <> r.provider
                 or p.batch <> r.batch))
          + (select count(*) from resolution r where not exists (select 1 from difference d where d.payment = r.payment
               and d.provider = r.provider and (r.owed <> 'payer' or d.account = r.account)))
          + (select count(*) from (select 1 from resolution group by payment having count(*) <> max(number)) gaps)
          + (select count(*) from resolution r left join outgoing g on g.id = r.id
               where (r.owed = 'payer') <> (g.id is not null)
                 or (g.id is not null and (g.suspense <> r.payment or g.amount <> r.amount or g.provider <> r.provider)))
          + (select count(*) from (select d.payment, max(d.booked) as booked, max(d.amount) as amount,
               sum(case when d.way = 'arrived' and d.late is null then d.amount when d.way = 'missing' then -d.amount else 0 end)
                 - (select coalesce(sum(r.sign * r.amount), 0) from resolution r where r.payment = d.payment) as units
               from difference d group by d.payment) s where s.units > s.amount or s.units < -s.amount)",
    },
];
