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
        key.quote("a", &fixed(1000), 3, 7),
        key.quote("b", &fixed(1000), 3, 7),
        key.quote("a", &fixed(1001), 3, 7),
        key.quote("a", &fixed(1000), 4, 7),
        key.quote("a", &tiered(&[(1, 1000)]), 3, 7),
        key.quote("a", &tiered(&[(1, 1000), (5, 900)]), 3, 7),
        key.quote("a", &tiered(&[(1, 1000), (6, 900)]), 3, 7),
        key.quote("a", &fixed(1000), 3, 8),
        QuoteKey::new([2; 32]).quote("a", &fixed(1000), 3, 7),
    ];
    // The marks alone: what stands in clear around them could be changed by anybody.
    let marks: HashSet<_> = quotes.iter().filter_map(|quote| quote.split('.').nth(1)).collect();
    assert_eq!(marks.len(), quotes.len());
    assert_eq!(QuoteKey::new([1; 32]).quote("a", &fixed(1000), 3, 7), quotes[0]);
}

#[test]
fn a_quote_is_short_and_says_its_revision() {
    let quote = QuoteKey::new([1; 32]).quote("a", &fixed(1000), 42, 7);
    let parts: Vec<_> = quote.split('.').collect();
    assert_eq!(parts[0], "42");
    assert_eq!((parts[1].len(), parts[2], parts[3].len()), (22, "7", 11));
    assert!(quote.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')));
}

#[test]
fn the_version_of_a_quote_is_believed_only_where_we_wrote_it() {
    let key = QuoteKey::new([1; 32]);
    let quote = key.quote("a", &fixed(1000), 3, 7);
    assert_eq!(key.version(&quote), Some(7));
    assert_eq!(QuoteKey::new([2; 32]).version(&quote), None);
    assert_eq!(key.version(&quote.replace(".7.", ".8.")), None);
    for text in ["", ".", "7.", "3.abc", "3.abc.7", "3.abc.7."] {
        assert_eq!(key.version(text), None, "{text}");
    }
}
