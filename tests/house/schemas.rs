//! The management API's document names each shape once: of two that have one name only one is in it, and the command line, which is made
//! from the document, offers its fields for the other.

use std::collections::BTreeMap;

use crate::tidy::{Source, sources};

#[test]
fn no_two_shapes_of_the_management_api_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_of_the_api = |source: &Source| source.path.starts_with("control-plane/src/");
    for source in sources().into_iter().filter(is_of_the_api) {
        for name in shapes(&source.text) {
            places.entry(name).or_default().push(source.path.clone());
        }
    }
    assert!(places.len() > 50, "the scan finds them");
    places.retain(|_, paths| paths.len() > 1);
    assert!(places.is_empty(), "{places:?}");
}

/// The types that derive `ToSchema`.
fn shapes(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_shape = false;
    for line in text.lines() {
        is_shape |= line.trim_start().starts_with("#[derive(") && line.contains("ToSchema");
        let mut words = line.split_whitespace().skip_while(|word| !matches!(*word, "struct" | "enum"));
        if let (true, Some(_), Some(name)) = (is_shape, words.next(), words.next()) {
            names.push(name.chars().take_while(|letter| letter.is_alphanumeric()).collect());
            is_shape = false;
        }
    }
    names
}
