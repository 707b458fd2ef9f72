//! Lists: one mistake, one message.

use super::*;

#[test]
fn a_list_that_is_none_is_told_once_and_a_method_that_looks_misspelt_is_asked_about() {
    assert_eq!(
        errors("[listen]\ndata = 8402\n"),
        [
            "2: listen.data: names no listener: write data = \"0.0.0.0:8402\", or [[listen.data]] with an address"
        ]
    );
    let route = |methods: &str| SMALL.replace("path =", &format!("methods = {methods}\npath ="));
    for methods in ["\"GET\"", "[]"] {
        let told = errors(&route(methods));
        assert!(told.len() == 1 && told[0].contains("such as [\"GET\"]"), "{told:?}");
    }
    let warnings = parse(&route("[\"GTE\", \"PROPFIND\"]")).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].message.ends_with("did you mean `GET`?"), "{warnings:?}");
}
