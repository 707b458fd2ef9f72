//! docs/reliability.md names the tests that show its promises: all of them, and none that is gone.

use std::collections::BTreeSet;

use crate::root;
use crate::tidy::sources;

/// Cases that other documents answer for, or that are cases of nobody's list.
const ELSEWHERE: [&str; 4] = ["o5", "o7", "p8", "r13"];

#[test]
fn every_test_with_a_case_is_named_beside_its_promise_and_every_name_is_a_test() {
    let text = std::fs::read_to_string(root().join("docs/reliability.md")).expect("docs/reliability.md");
    let named = named(&text);
    let written: BTreeSet<_> =
        sources().iter().flat_map(|source| cases(&source.path, &source.text)).collect();
    let missing: Vec<_> = written.difference(&named).collect();
    let gone: Vec<_> = named.difference(&written).collect();
    assert!(missing.is_empty(), "not in docs/reliability.md: {missing:#?}");
    assert!(gone.is_empty(), "in docs/reliability.md, and no test: {gone:#?}");
}

/// Case, file and test of every `` `file` `name` `` in a row of the table.
fn named(text: &str) -> BTreeSet<(String, String, String)> {
    let mut named = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let case = row.trim_start_matches("| ").split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let words: Vec<&str> = row.split('`').collect();
        for pair in words.windows(3).filter(|pair| pair[0].ends_with(".rs") && pair[1] == " ") {
            named.insert((case.clone(), pair[0].to_owned(), pair[2].to_owned()));
        }
    }
    named
}

/// The tests of one file whose names begin with cases, such as `c5_c6_an_acknowledged_...`.
fn cases(path: &str, text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if !(line.starts_with("#[test") || line.starts_with("#[tokio::test")) {
            continue;
        }
        let Some(name) = lines.find_map(|line| line.split_once("fn ").map(|(_, rest)| rest)) else { break };
        let name = name.split('(').next().unwrap_or_default();
        let ids = name.split('_').take_while(|word| is_case(word)).filter(|word| !ELSEWHERE.contains(word));
        found.extend(ids.map(|case| (case.to_owned(), path.to_owned(), name.to_owned())));
    }
    found
}

/// A letter and a number.
fn is_case(word: &str) -> bool {
    let digits = word.strip_prefix(|letter: char| letter.is_ascii_lowercase());
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[test]
fn a_case_is_a_letter_and_a_number() {
    assert!(is_case("c5") && is_case("u12") && !is_case("c") && !is_case("401") && !is_case("http2"));
}
