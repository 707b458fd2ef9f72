use std::collections::HashSet;

use domain::Amount;
use domain::price::{Tier, Tiers};

use super::*;

fn fixed(units: i64) -> Price {
    Price::Fixed(Amount::from_atomic(units).unwrap())
}

fn tiered(steps: &[(u64, i64)]) -> Price {
    let tier = |&(from_call, units)| Tier { from_call, amount: Amount::from_atomic(units).unwrap() };
    Price::Tiered(Tiers::new(steps.iter().map(tier).collect()).unwrap())
}

#[test]
fn a_quote_is_the_same_for_the_same_and_another_for_anything_else() {
    let key = QuoteKey::new([1; 32]);
    let quotes = [
        key.quote("a", &fixed(1000), 3),
        key.quote("b", &fixed(1000), 3),
        key.quote("a", &fixed(1001), 3),
        key.quote("a", &fixed(1000), 4),
        key.quote("a", &tiered(&[(1, 1000)]), 3),
        key.quote("a", &tiered(&[(1, 1000), (5, 900)]), 3),
        key.quote("a", &tiered(&[(1, 1000), (6, 900)]), 3),
        QuoteKey::new([2; 32]).quote("a", &fixed(1000), 3),
    ];
    // The marks alone: what stands in clear in front of them could be changed by anybody.
    let marks: HashSet<_> =
        quotes.iter().filter_map(|quote| quote.split_once('.')).map(|(_, mark)| mark).collect();
    assert_eq!(marks.len(), quotes.len());
    assert_eq!(QuoteKey::new([1; 32]).quote("a", &fixed(1000), 3), quotes[0]);
}

#[test]
fn a_quote_is_short_and_says_its_revision() {
    let quote = QuoteKey::new([1; 32]).quote("a", &fixed(1000), 42);
    let mark = quote.strip_prefix("42.").unwrap();
    assert_eq!(mark.len(), 22);
    assert!(mark.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
}
