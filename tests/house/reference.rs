//! docs/reference.md names every type of event and every code that anybody is told no with.

use std::collections::BTreeSet;

use crate::root;

const PAGE: &str = "docs/reference.md";

/// Where words for programs stand: a file, and what the item that holds them begins with.
const CODES: [(&str, &str); 9] = [
    ("gateway/src/answer/refusal.rs", "pub(crate) fn code(&self)"),
    ("gateway/src/answer/refusal/unpaid.rs", "impl Unpaid {"),
    ("gateway/src/answer/refusal/missing.rs", "impl Missing {"),
    ("domain/src/policy.rs", "pub const fn code(&self)"),
    ("protocol/src/verify/rejection.rs", "pub fn code(&self)"),
    ("protocol/src/verify/rejection.rs", "fn code_of_permit(&self)"),
    ("settlement/src/deposits/told.rs", "const fn code(&self)"),
    ("settlement/src/deposits/told.rs", "const fn sort(&self)"),
    ("control-plane/src/problem.rs", "const fn code(&self)"),
];

#[test]
fn the_reference_has_every_code_that_somebody_is_told_no_with() {
    let page = read(PAGE);
    for (path, item) in CODES {
        let codes = words(&item_of(path, item));
        assert!(!codes.is_empty(), "{path}: {item} has no codes");
        let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
        assert!(missing.is_empty(), "not in {PAGE}, of {path}: {missing:?}");
    }
}

#[test]
fn the_reference_has_every_type_of_event_and_no_other() {
    let known = words(&item_of("registry/src/webhook.rs", "pub const EVENT_TYPES"));
    let page = read(PAGE);
    let events = page.split("\n## ").find(|part| part.starts_with("Events")).expect("a part on events");
    let rows = events.lines().filter(|line| line.starts_with("| `"));
    let firsts = rows.filter_map(|row| row.split('|').nth(1));
    let told: BTreeSet<String> = firsts
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(told, known);
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of an item, to the one that closes it.
fn item_of(path: &str, begins: &str) -> String {
    let text = read(path);
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with(begins));
    let first = lines.next().unwrap_or_else(|| panic!("{path} has no {begins}"));
    let indent = first.len() - first.trim_start().len();
    let is_end = |line: &&str| {
        line.starts_with(['}', ']', ' '])
            && line.trim_start().starts_with(['}', ']'])
            && line.len() - line.trim_start().len() == indent
    };
    lines.take_while(|line| !is_end(line)).collect::<Vec<_>>().join("\n")
}

/// Texts in quotes that are a word for programs.
fn words(text: &str) -> BTreeSet<String> {
    let is_word = |text: &&str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte))
    };
    text.split('"').skip(1).step_by(2).filter(is_word).map(str::to_owned).collect()
}
