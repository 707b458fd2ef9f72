use super::*;

fn dollars(text: &str) -> Amount {
    Amount::parse_dollars(text).unwrap()
}

fn unit(from: &str, price: &str) -> Unit {
    Unit { from: from.parse().unwrap(), price: UnitPrice::parse(price).unwrap() }
}

fn metered(units: Vec<Unit>) -> Metered {
    Metered::new(dollars("$0.10"), dollars("$0.05"), units).unwrap()
}

fn read(text: &str) -> Option<Count> {
    Some(Count::parse(text).unwrap())
}

#[test]
fn a_fraction_of_an_atomic_unit_is_rounded_up_once_over_all_units() {
    let one = metered(vec![unit("json:/n", "$0.0000001")]);
    let cost = |counts: &[Option<Count>]| one.amount(counts).map(Amount::atomic);
    assert_eq!(cost(&[read("0")]), Some(0));
    assert_eq!((cost(&[read("1")]), cost(&[read("10")]), cost(&[read("11")])), (Some(1), Some(1), Some(2)));
    let two = metered(vec![unit("json:/in", "$0.0000001"), unit("json:/out", "$0.0000004")]);
    // 0.3 and 0.4 are 0.7 of an atomic unit: one, not two.
    assert_eq!(two.amount(&[read("3"), read("1")]).map(Amount::atomic), Some(1));
    assert_eq!(two.amount(&[read("6"), read("1")]).map(Amount::atomic), Some(1));
    assert_eq!(two.amount(&[read("7"), read("1")]).map(Amount::atomic), Some(2));
}

#[test]
fn a_count_that_is_missing_counts_nothing_beside_others_and_none_at_all_is_no_amount() {
    let price = metered(vec![unit("json:/in", "$0.000003"), unit("json:/out", "$0.000015")]);
    assert_eq!(price.amount(&[read("10"), None]).map(Amount::atomic), Some(30));
    assert_eq!(price.amount(&[None, None]), None);
    assert_eq!(metered(Vec::new()).amount(&[]), None);
}

#[test]
fn no_count_costs_more_than_the_maximum() {
    let price = metered(vec![unit("bytes", "$18446744"), unit("events", "$18446744")]);
    for counts in [[read("1"), None], [read("1e30"), read("1e30")], [read("9".repeat(60).as_str()), None]] {
        assert_eq!(price.amount(&counts), Some(price.maximum()));
    }
}

#[test]
fn numbers_are_read_as_json_writes_them() {
    let same = [("12", "12.0"), ("1200", "1.2e3"), ("0.00001", "1e-05"), ("0.000001", "0.0000000001")];
    assert!(same.iter().all(|(one, other)| Count::parse(one) == Count::parse(other)));
    assert_eq!(Count::parse("7"), Some(Count::of(7)));
    for text in ["", "-1", "null", "\"7\"", "0x10", "1.", "1,5", "NaN", "+1", "1e", "e1", "--"] {
        assert_eq!(Count::parse(text), None, "{text}");
    }
}

#[test]
fn a_unit_may_cost_far_less_than_what_can_be_paid() {
    for text in ["$0.0000001", "$0.000000000001", "$0.50", "$12.00"] {
        assert_eq!(UnitPrice::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "$", "$0", "-1", "1e-7", "$0.0000000000001", "$99999999999"] {
        assert!(UnitPrice::parse(text).is_err(), "{text}");
    }
}

#[test]
fn ways_to_count_are_read_as_they_are_printed() {
    for text in ["json:/usage/total_tokens", "sum:/a~1b/0/c~0d", "header:x-tokens", "events", "bytes"] {
        assert_eq!(text.parse::<Reading>().unwrap().to_string(), text);
    }
    assert_eq!("header:X-Tokens".parse::<Reading>().unwrap().to_string(), "header:x-tokens");
    for text in ["", "json:", "json:usage", "json:/a~2", "header:", "header:a b", "event", "tokens:/a", "sum"]
    {
        assert!(text.parse::<Reading>().is_err(), "{text}");
    }
}

#[test]
fn what_is_no_metered_price_is_refused() {
    let new = |maximum, unread, units| Metered::new(dollars(maximum), dollars(unread), units);
    assert_eq!(new("$0", "$0", Vec::new()), Err(MeteredError::Free));
    assert_eq!(new("$0.10", "$0.11", Vec::new()), Err(MeteredError::Unread));
    let twice = vec![unit("bytes", "$0.1"), unit("bytes", "$0.2")];
    assert_eq!(new("$0.10", "$0", twice), Err(MeteredError::Twice(Reading::Bytes)));
    let many = (0..=UNITS_MAX).map(|at| unit(&format!("json:/{at}"), "$0.1")).collect();
    assert_eq!(new("$0.10", "$0", many), Err(MeteredError::Units));
}
