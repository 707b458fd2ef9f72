//! Limits of agents, scopes of keys, and what routes give away.

use domain::{Amount, Window};

use super::{errors, parse};

const SOLD: &str = "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
    [[providers.routes]]\nname = \"quotes\"\npath = \"/q\"\nprice = \"$0.01\"\nfree_per_day = 5\ncategory = \"data\"\n";

const KEY: &str =
    "key_ag7xzaqaaaaaaaaaaaaaaaaaaa:0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn limits_scopes_and_allowances_are_read() {
    let agent = format!(
        "[[agents]]\nname = \"x\"\nper_hour = \"$2\"\n\
         [[agents.limits]]\nscope = \"category:data\"\nper = \"month\"\namount = \"$1\"\n\
         [[agents.keys]]\nhash = \"{KEY}\"\nscopes = [\"route:quotes\"]\n"
    );
    let config = parse(&format!("{SOLD}{agent}")).unwrap().config;
    let route = &config.catalog.routes[0];
    assert_eq!((route.free_per_day, route.category.as_deref()), (5, Some("data")));
    let read = &config.agents[0];
    assert_eq!(read.policy.per_hour, Amount::from_atomic(2_000_000));
    let [limit] = read.policy.limits.as_slice() else { panic!("one limit") };
    assert_eq!((limit.scope.to_string().as_str(), limit.window), ("category:data", Window::Month));
    assert_eq!(read.keys[0].scopes, ["route:quotes".parse().unwrap()]);
}

#[test]
fn every_mistake_in_a_limit_is_told_with_its_place() {
    let limit = |scope: &str, per: &str, amount: &str| {
        format!("[[agents.limits]]\nscope = \"{scope}\"\nper = \"{per}\"\namount = \"{amount}\"\n")
    };
    let agent = "[[agents]]\nname = \"x\"\n".to_owned();
    for (limits, told) in [
        (limit("route:quotse", "day", "$1"), "there is no route `quotse`"),
        (limit("category:dtaa", "day", "$1"), "there is no category `dtaa`"),
        (limit("quotes", "day", "$1"), "a scope is route:NAME"),
        (limit("route:quotes", "week", "$1"), "hour"),
        (limit("route:quotes", "day", "1e3"), "amount"),
        (limit("route:quotes", "day", "$1").repeat(2), "there is already a limit on route:quotes per day"),
    ] {
        let errors = errors(&format!("{SOLD}{agent}{limits}"));
        assert!(errors.len() == 1 && errors[0].contains(told), "{limits}: {errors:?}");
        assert!(errors[0].starts_with('1'), "not in its line: {errors:?}");
    }
    let free = SOLD.replace("price = \"$0.01\"", "price = \"free\"");
    let errors = errors(&free);
    assert!(errors[0].contains("gives calls away"), "{errors:?}");
}
