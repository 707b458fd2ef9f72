//! `capture`: when a call's money is made safe, said of priced routes only.

use domain::Capture;

use super::{errors, parse};

fn with(lines: &str) -> String {
    format!(
        "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
         [[providers.routes]]\nname = \"quotes\"\npath = \"/quotes\"\n{lines}\n"
    )
}

#[test]
fn it_is_after_unless_the_route_says_before() {
    let read = |lines| parse(&with(lines)).unwrap().config.catalog.routes[0].capture;
    assert_eq!(read("price = \"$1\""), Capture::After);
    assert_eq!(read("price = \"$1\"\ncapture = \"after\""), Capture::After);
    assert_eq!(read("price = \"$1\"\ncapture = \"before\""), Capture::Before);
    assert_eq!(read("tiers = [{ from = 1, price = \"$1\" }]\ncapture = \"before\""), Capture::Before);
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let told = [
        ("price = \"$1\"\ncapture = \"first\"", "9: ", "`first` is none of \"after\", \"before\""),
        ("price = \"$1\"\ncapture = true", "9: ", "capture"),
        ("price = \"$1\"\ncaptur = \"before\"", "9: ", "unknown key, did you mean `capture`?"),
        ("price = \"free\"\ncapture = \"before\"", "9: ", "this route is free: leave it out"),
        ("price = \"free\"\ncapture = \"after\"", "9: ", "this route is free: leave it out"),
    ];
    for (lines, line, words) in told {
        let errors = errors(&with(lines));
        assert!(errors.len() == 1 && errors[0].starts_with(line) && errors[0].contains(words), "{errors:?}");
    }
}
