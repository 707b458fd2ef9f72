use serde_json::json;

use super::*;

fn document(value: Value) -> Document {
    Document::given(value).unwrap()
}

#[test]
fn o5_secrets_are_never_shown_and_kept_where_they_are_not_written() {
    let before = document(json!({ "name": "a", "upstream": { "headers": { "x-api-key": "hunter2" } } }));
    let shown = before.shown();
    assert_eq!(shown["upstream"]["headers"]["x-api-key"], SECRET);
    assert!(!format!("{before:?}").contains("hunter2"));
    let again = document(shown).restored(Some(&before)).unwrap();
    assert_eq!(again, before);

    let mistakes = document(again.shown()).restored(None).unwrap_err();
    assert_eq!(mistakes[0].pointer, "/upstream/headers/x-api-key");
    let changed = document(json!({ "name": "a", "upstream": { "headers": { "x-api-key": "other" } } }));
    assert!(before.differences(&changed).is_empty(), "that a secret changed is not shown either");
}

#[test]
fn a_document_is_measured_with_the_secrets_that_it_keeps() {
    let half = "x".repeat(DOCUMENT_BYTES_MAX / 2);
    let before = document(json!({ "upstream": { "headers": { "one": half } } }));
    let kept = json!({ "upstream": { "headers": { "one": SECRET, "two": half } } });
    let mistakes = document(kept).restored(Some(&before)).unwrap_err();
    assert!(mistakes[0].to_string().contains("is longer than"), "{}", mistakes[0]);
}

#[test]
fn a_merge_patch_sets_replaces_and_takes_away() {
    let before = document(json!({ "a": 1, "b": { "c": 1, "d": [1, 2] }, "e": "x" }));
    let patch = json!({ "a": null, "b": { "c": 2, "f": { "g": 1 } }, "e": { "h": 1, "i": null } });
    let after = before.merged(patch.as_object().unwrap());
    let expected = json!({ "b": { "c": 2, "d": [1, 2], "f": { "g": 1 } }, "e": { "h": 1 } });
    assert_eq!(after, document(expected));
}

#[test]
fn differences_name_their_places() {
    let one = document(json!({ "price": "$1", "tiers": [1], "x/y": { "z": true }, "same": 1 }));
    let other = document(json!({ "price": "$2", "x/y": {}, "new": 0, "same": 1 }));
    let found: Vec<_> = one
        .differences(&other)
        .into_iter()
        .map(|difference| (difference.pointer, difference.old, difference.new))
        .collect();
    let at = |pointer: &str, old: Value, new: Value| {
        let some = |value: Value| Some(value).filter(|value| !value.is_null());
        (pointer.to_owned(), some(old), some(new))
    };
    assert_eq!(found.len(), 4);
    for expected in [
        at("/price", json!("$1"), json!("$2")),
        at("/tiers", json!([1]), Value::Null),
        at("/x~1y/z", json!(true), Value::Null),
        at("/new", Value::Null, json!(0)),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn every_json_without_null_survives_toml() {
    let value = json!({
        "plain": "text", "odd key": 1, "": -7, "quote\"": "\u{7f}\u{0}\n\\ \u{1f600}", "big": i64::MAX, "half": 0.5,
        "tiny": 1e-300, "deep": { "list": [[], {}, [{ "a": [true, false] }]], "é": "ü" },
    });
    let body = text::body(value.as_object().unwrap());
    let table = toml::de::DeTable::parse(&body).unwrap_or_else(|error| panic!("{error}\n{body}"));
    assert_eq!(text::document(table.get_ref(), &[]), document(value));
}

#[test]
fn nulls_and_what_is_no_object_are_mistakes() {
    let value = json!({ "a": [1, { "b~": null }], "c": null });
    let found: Vec<_> =
        text::nulls(value.as_object().unwrap()).into_iter().map(|found| found.pointer).collect();
    assert_eq!(found, ["/a/1/b~0", "/c"]);
    assert!(Document::given(json!([])).is_err());
    assert!(Document::given(json!({ "a": "x".repeat(DOCUMENT_BYTES_MAX) })).is_err());
}
