//! `metered`: the most that a call costs, what is counted, and what is said of mistakes.

use domain::Price;

use super::{DOCUMENTED, errors, parse};

fn with(metered: &str) -> String {
    format!(
        "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
         [[providers.routes]]\nname = \"chat\"\npath = \"/chat\"\n{metered}\n"
    )
}

#[test]
fn a_metered_price_is_read_with_its_units_and_costs_its_maximum_where_nothing_is_counted() {
    let read = |text: &str| {
        let config = parse(&with(text)).unwrap().config;
        config.catalog.routes[0].price.metered().unwrap().clone()
    };
    let least = read("metered = { up_to = \"$0.10\" }");
    assert_eq!((least.maximum(), least.unread(), least.units().len()), (least.maximum(), least.maximum(), 0));
    let unit = "{ from = \"header:X-Tokens\", price = \"$0.0000001\" }";
    let whole = read(&format!("metered = {{ up_to = \"$0.10\", unread = \"$0\", units = [{unit}] }}"));
    assert_eq!((whole.maximum().to_string(), whole.unread().atomic()), ("$0.10".to_owned(), 0));
    let unit = &whole.units()[0];
    assert_eq!(
        (unit.from.to_string(), unit.price.to_string()),
        ("header:x-tokens".into(), "$0.0000001".into())
    );
}

#[test]
fn the_documented_route_is_metered() {
    let config = parse(DOCUMENTED).unwrap().config;
    let metered = config.catalog.routes.iter().find_map(|route| route.price.metered()).unwrap();
    assert_eq!(metered.units().len(), 2);
}

#[test]
fn a_mistake_is_told_where_it_is() {
    let up_to = "up_to = \"$0.10\"";
    let unit = |from: &str, price: &str| format!("units = [{{ from = \"{from}\", price = \"{price}\" }}]");
    let told = [
        ("metered = {}".to_owned(), "up_to", "write the most that a call costs"),
        ("metered = { up_to = \"$0\" }".to_owned(), "up_to", "is nothing"),
        ("metered = { up_to = \"cheap\" }".to_owned(), "up_to", "is not a price"),
        (format!("metered = {{ {up_to}, unread = \"$1\" }}"), "unread", "is above up_to"),
        (
            format!("metered = {{ {up_to}, {} }}", unit("tokens", "$0.1")),
            "from",
            "`tokens` is no way to count",
        ),
        (format!("metered = {{ {up_to}, {} }}", unit("json:usage", "$0.1")), "from", "is no way to count"),
        (format!("metered = {{ {up_to}, {} }}", unit("bytes", "$0")), "price", "is not a price"),
        (
            format!("metered = {{ {up_to}, {} }}", unit("bytes", "$0.0000000000001")),
            "price",
            "12 decimal places",
        ),
        (
            format!("metered = {{ {up_to}, units = [{{ from = \"bytes\" }}] }}"),
            "price",
            "write what one of it costs",
        ),
        (format!("metered = {{ {up_to}, unit = 1 }}"), "unit", "did you mean `units`?"),
        (format!("price = \"$1\"\nmetered = {{ {up_to} }}"), "price", "stands beside metered"),
        (
            format!("tiers = [{{ from = 1, price = \"$1\" }}]\nmetered = {{ {up_to} }}"),
            "tiers",
            "stands beside metered",
        ),
    ];
    for (lines, key, words) in told {
        let errors = errors(&with(&lines));
        let right = errors.len() == 1 && errors[0].contains(key) && errors[0].contains(words);
        assert!(right, "{lines}: {errors:?}");
    }
    let twice = "{ from = \"bytes\", price = \"$0.1\" }, { from = \"bytes\", price = \"$0.2\" }";
    let errors = errors(&with(&format!("metered = {{ {up_to}, units = [{twice}] }}")));
    assert!(errors.len() == 1 && errors[0].contains("counts bytes twice"), "{errors:?}");
}

#[test]
fn a_metered_route_is_not_free_and_may_be_captured_before() {
    let text = with("metered = { up_to = \"$0.10\" }\ncapture = \"before\"\nfree_per_day = 3");
    let config = parse(&text).unwrap().config;
    assert!(matches!(config.catalog.routes[0].price, Price::Metered(_)));
}
