//! Lists: one mistake, one message.

use super::*;

#[test]
fn a_list_that_is_none_is_told_once_and_only_registered_methods_are_taken() {
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
    assert_eq!(
        errors(&route("[\"PROPFIND\", \"GTE\", \"patch\", \"head\", \"PURGE\"]")),
        [
            "8: providers[0].routes[0].methods[1]: `GTE` is no registered method of HTTP, did you mean `GET`?",
            "8: providers[0].routes[0].methods[2]: methods have a case: write PATCH",
            "8: providers[0].routes[0].methods[3]: HEAD is answered wherever GET is: write GET",
            "8: providers[0].routes[0].methods[4]: `PURGE` is no registered method of HTTP; a route that lists none answers all",
        ]
    );
    assert_eq!(parse(&route("[\"VERSION-CONTROL\", \"QUERY\"]")).unwrap().warnings, []);
}
