use domain::meter::{Metered, Unit, UnitPrice};

use super::*;

const START: UnixMillis = UnixMillis(1_800_000_000_000);

fn fixed(units: i64) -> Price {
    Price::Fixed(Amount::from_atomic(units).unwrap())
}

/// What the database would hold: rows replaced by number.
#[derive(Default)]
struct Kept {
    rows: Vec<Numbered>,
    version: u64,
}

impl Kept {
    /// All routes there are; those that are not named are gone.
    fn apply(&mut self, routes: &[(&str, Price, bool)], at: UnixMillis) -> Vec<Assigned> {
        self.version += 1;
        let mut gone: Vec<Numbered> = self
            .rows
            .iter()
            .filter(|row| !routes.iter().any(|(name, ..)| *name == &*row.route))
            .cloned()
            .collect();
        gone = end(&gone, at);
        self.put(gone);
        let mut assigned = Vec::new();
        for (name, price, suspended) in routes {
            let wanted = Wanted { route: &(*name).into(), price, suspended: *suspended, renewed: false };
            assigned.push(self.number(&wanted, at));
        }
        assigned
    }

    fn number(&mut self, wanted: &Wanted<'_>, at: UnixMillis) -> Assigned {
        let rows: Vec<_> = self.rows.iter().filter(|row| row.route == *wanted.route).cloned().collect();
        let (given, changed) = number(&rows, wanted, Moment { at, version: self.version });
        self.put(changed);
        let rows: Vec<_> = self.rows.iter().filter(|row| row.route == *wanted.route).cloned().collect();
        assert_eq!(assigned(&rows, at), given, "what is read is what was given");
        given
    }

    fn put(&mut self, changed: Vec<Numbered>) {
        for row in changed {
            self.rows.retain(|kept| (&kept.route, kept.revision) != (&row.route, row.revision));
            self.rows.push(row);
        }
    }

    fn price(&mut self, units: i64, at: UnixMillis) -> Assigned {
        self.apply(&[("r", fixed(units), false)], at).remove(0)
    }
}

fn revisions(assigned: &Assigned) -> Vec<u32> {
    assigned.superseded.iter().map(|price| price.revision).collect()
}

#[test]
fn h1_a_changed_price_gets_the_next_number_and_the_old_one_lives_a_minute() {
    let mut kept = Kept::default();
    assert_eq!(kept.price(10, START).revision, 1);
    assert_eq!(kept.price(10, START.plus(1)), Assigned { revision: 1, since: 1, superseded: vec![] });
    let changed = kept.price(11, START.plus(2));
    assert_eq!(changed.revision, 2);
    let expected = SupersededPrice { revision: 1, since: 1, price: fixed(10), until: START.plus(60_002) };
    assert_eq!(changed.superseded, vec![expected]);
    assert_eq!(revisions(&kept.price(11, START.plus(60_001))), vec![1]);
    assert_eq!(revisions(&kept.price(11, START.plus(60_002))), Vec::<u32>::new());
}

#[test]
fn a_price_that_comes_back_is_a_new_revision() {
    let mut kept = Kept::default();
    kept.price(10, START);
    kept.price(11, START);
    let back = kept.price(10, START);
    assert_eq!((back.revision, revisions(&back)), (3, vec![2, 1]));
}

#[test]
fn superseded_prices_are_kept_newest_first_up_to_their_number() {
    let (mut kept, most) = (Kept::default(), u32::try_from(SUPERSEDED_PRICES_MAX).unwrap());
    let last = most + 40;
    for units in 1..=last {
        kept.price(i64::from(units), START.plus(units.into()));
    }
    let now = kept.price(i64::from(last), START.plus(i64::from(last) + 1));
    assert_eq!(revisions(&now), (last - most..last).rev().collect::<Vec<u32>>());
}

#[test]
fn h3_removal_ends_quotes_at_once_and_a_route_that_returns_is_numbered_anew() {
    let mut kept = Kept::default();
    kept.price(10, START);
    kept.price(11, START);
    kept.apply(&[], START.plus(1));
    let back = kept.price(11, START.plus(2));
    assert_eq!(back, Assigned { revision: 3, since: 4, superseded: vec![] });
}

#[test]
fn suspension_ends_quotes_at_once_the_current_one_too() {
    let mut kept = Kept::default();
    kept.price(10, START);
    kept.price(11, START);
    let suspended = kept.apply(&[("r", fixed(11), true)], START.plus(1)).remove(0);
    assert_eq!(suspended, Assigned { revision: 2, since: 2, superseded: vec![] });
    assert_eq!(kept.price(11, START.plus(2)), Assigned { revision: 3, since: 4, superseded: vec![] });
}

#[test]
fn a_price_that_was_free_was_quoted_to_nobody() {
    let mut kept = Kept::default();
    kept.apply(&[("r", Price::Free, false)], START);
    assert_eq!(kept.price(10, START), Assigned { revision: 2, since: 2, superseded: vec![] });
}

#[test]
fn one_routes_change_leaves_the_others_alone() {
    let mut kept = Kept::default();
    kept.apply(&[("a", fixed(1), false), ("b", fixed(1), false)], START);
    let after = kept.apply(&[("b", fixed(1), false), ("a", fixed(2), false)], START);
    assert_eq!(after.iter().map(|assigned| assigned.revision).collect::<Vec<_>>(), vec![1, 2]);
}

#[test]
fn a_route_that_changed_elsewhere_is_numbered_anew_and_its_old_quote_lives_on() {
    let mut kept = Kept::default();
    kept.price(10, START);
    let (route, price) = ("r".into(), fixed(10));
    let wanted = Wanted { route: &route, price: &price, suspended: false, renewed: true };
    let renewed = kept.number(&wanted, START.plus(1));
    assert_eq!((renewed.revision, revisions(&renewed)), (2, vec![1]));
    // Also while it is suspended, so that its history has a place for what was written.
    let suspended = kept.number(&Wanted { suspended: true, ..wanted }, START.plus(2));
    assert_eq!((suspended.revision, revisions(&suspended)), (3, vec![]));
    assert_eq!(kept.price(10, START.plus(3)).revision, 4);
}

#[test]
fn prices_survive_the_database() {
    let tier = |from_call, units| Tier { from_call, amount: Amount::from_atomic(units).unwrap() };
    let tiers = Tiers::new(vec![tier(1, 100), tier(11, 50), tier(1000, 0)]).unwrap();
    let unit =
        |from: &str| Unit { from: from.parse().unwrap(), price: UnitPrice::parse("$0.0000001").unwrap() };
    let (most, unread) = (Amount::from_atomic(100).unwrap(), Amount::ZERO);
    let metered = |units| Price::Metered(Metered::new(most, unread, units).unwrap());
    let metered = [metered(Vec::new()), metered(vec![unit("json:/a ,\"b"), unit("header:x-n")])];
    for price in [Price::Free, fixed(1), fixed(i64::MAX), Price::Tiered(tiers)].into_iter().chain(metered) {
        assert_eq!(read_price(&write_price(&price)), Some(price));
    }
    for text in [
        "metered ",
        "metered [\"0\",\"0\",[]]",
        "metered [\"5\",\"0\",[[\"x\",\"$1\"]]]",
        "",
        "free!",
        "-1",
        "1:",
        "2:5",
        "1:0",
        "a:b",
    ] {
        assert_eq!(read_price(text), None, "{text}");
    }
    let single = Tiers::new(vec![tier(1, 5)]).unwrap();
    assert_eq!(read_price(&write_price(&Price::Tiered(single.clone()))), Some(Price::Tiered(single)));
}
