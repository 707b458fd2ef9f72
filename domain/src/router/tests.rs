use super::*;

/// (hosts, methods, pattern, priced); the index is the route.
fn router(routes: &[(&[&str], &[&str], &str, bool)]) -> Result<Router, RouteId> {
    let mut router = Router::default();
    for (index, (hosts, methods, pattern, priced)) in routes.iter().enumerate() {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let methods = if methods.is_empty() {
            Methods::Any
        } else {
            Methods::Only(methods.iter().map(|method| (*method).to_owned()).collect())
        };
        let pattern = PathPattern::parse(pattern).unwrap();
        let route = RouteId(u32::try_from(index).unwrap());
        router.insert(&Entry {
            route,
            hosts: &hosts,
            methods: &methods,
            pattern: &pattern,
            priced: *priced,
        })?;
    }
    Ok(router)
}

fn find(router: &Router, method: &str, path: &str) -> Option<u32> {
    find_on(router, "localhost", method, path)
}

fn find_on(router: &Router, host: &str, method: &str, path: &str) -> Option<u32> {
    router.find(host, method, &CanonicalPath::parse(path.as_bytes()).unwrap()).map(|route| route.0)
}

#[test]
fn the_most_specific_route_wins() {
    let router = router(&[
        (&[], &[], "/{*rest}", true),
        (&[], &[], "/a/{id}", true),
        (&[], &[], "/a/b", true),
        (&[], &[], "/a/{id}/c", true),
        (&[], &["POST"], "/a/b", true),
    ])
    .unwrap();
    assert_eq!(find(&router, "GET", "/a/b"), Some(2));
    assert_eq!(find(&router, "POST", "/a/b"), Some(4));
    assert_eq!(find(&router, "GET", "/a/x"), Some(1));
    assert_eq!(find(&router, "GET", "/a/b/c"), Some(3));
    assert_eq!(find(&router, "GET", "/a/b/d"), Some(0));
    assert_eq!(find(&router, "GET", "/"), None);
}

#[test]
fn a_method_that_the_specific_route_lacks_falls_to_the_wider_one() {
    let router = router(&[(&[], &["POST"], "/a/b", true), (&[], &["GET"], "/a/{id}", true)]).unwrap();
    assert_eq!(find(&router, "GET", "/a/b"), Some(1));
    assert_eq!(find(&router, "HEAD", "/a/b"), Some(1));
    assert_eq!(find(&router, "DELETE", "/a/b"), None);
}

#[test]
fn a_known_host_never_falls_through() {
    let router = router(&[(&["a.example"], &[], "/x", true), (&[], &[], "/{*rest}", false)]).unwrap();
    assert_eq!(find_on(&router, "a.example", "GET", "/x"), Some(0));
    assert_eq!(find_on(&router, "a.example", "GET", "/y"), None);
    assert_eq!(find_on(&router, "b.example", "GET", "/y"), Some(1));
}

#[test]
fn s3_no_spelling_of_a_priced_path_reaches_a_free_wildcard() {
    let router = router(&[
        (&[], &[], "/{*rest}", false),
        (&[], &[], "/paid", true),
        (&[], &[], "/items/{id}", true),
        (&[], &[], "/files/{*path}", true),
        (&[], &[], "/a!b", true),
    ])
    .unwrap();
    assert_eq!(find(&router, "GET", "/paid"), Some(1));
    assert_eq!(find(&router, "GET", "/%70aid"), Some(1));
    assert_eq!(find(&router, "GET", "/a!b"), Some(4));
    assert_eq!(find(&router, "GET", "/free"), Some(0));
    for path in [
        "/PAID",
        "/Paid",
        "/paid.",
        "/paid%20",
        "/paid%3Fx=1",
        "/paid%23",
        "/paid/",
        "/PAID/",
        "/Items/5",
        "/items/5/",
        "/items%2F5",
        "/FILES/a/b",
        "/a%21b",
    ] {
        assert_eq!(find(&router, "GET", path), None, "{path}");
    }
}

#[test]
fn a_free_route_inside_a_priced_wildcard_stays_free() {
    let router = router(&[(&[], &[], "/api/{*rest}", true), (&[], &[], "/api/health", false)]).unwrap();
    assert_eq!(find(&router, "GET", "/api/health"), Some(1));
    assert_eq!(find(&router, "GET", "/api/HEALTH"), Some(0));
}

#[test]
fn two_routes_for_the_same_requests_are_refused() {
    let twice = router(&[(&[], &["GET"], "/a/{x}", false), (&[], &["GET", "POST"], "/a/{y}", false)]);
    assert_eq!(twice.unwrap_err(), RouteId(0));
    let by_case = router(&[(&[], &[], "/a", true), (&[], &[], "/A", true)]);
    assert_eq!(by_case.unwrap_err(), RouteId(0));
}

#[test]
fn another_method_on_a_priced_path_does_not_fall_to_a_free_wildcard() {
    let router = router(&[
        (&[], &[], "/{*rest}", false),
        (&[], &["GET"], "/paid", true),
        (&[], &["GET"], "/api/{*rest}", true),
        (&[], &[], "/api/health", false),
        (&[], &["PUT"], "/{*rest}", false),
    ])
    .unwrap();
    assert_eq!(find(&router, "GET", "/paid"), Some(1));
    assert_eq!(find(&router, "POST", "/paid"), None);
    assert_eq!(find(&router, "get", "/paid"), None);
    assert_eq!(find(&router, "POST", "/api/x"), None);
    assert_eq!(find(&router, "POST", "/api/health"), Some(3));
    assert_eq!(find(&router, "POST", "/free"), Some(0));
    assert_eq!(find(&router, "PUT", "/paid"), Some(4), "a free route that names the method was meant");
    for (method, path) in [
        ("POST", "/paid/"),
        ("POST", "/PAID"),
        ("OPTIONS", "/Paid"),
        ("POST", "/paid."),
        ("GETX", "/paid%20"),
        ("POST", "/API/x"),
    ] {
        assert_eq!(find(&router, method, path), None, "{method} {path}");
    }
    assert_eq!(find(&router, "PUT", "/PAID"), Some(4));
    assert_eq!(
        find(&router, "POST", "/API/health"),
        None,
        "spelled so it is a path of the priced wildcard's"
    );
}

#[test]
fn a_path_names_the_methods_that_it_is_answered_for() {
    let router = router(&[
        (&[], &["POST", "GET"], "/a", true),
        (&[], &["PUT"], "/{x}", true),
        (&[], &[], "/b/{*r}", true),
    ])
    .unwrap();
    let methods = |path: &str| router.methods("any", &CanonicalPath::parse(path.as_bytes()).unwrap());
    assert_eq!(methods("/a"), ["GET", "HEAD", "POST", "PUT"]);
    assert_eq!(methods("/z"), ["PUT"]);
    for elsewhere in ["/A/", "/a/", "/c/d"] {
        assert!(methods(elsewhere).is_empty(), "{elsewhere}");
    }
}
