//! How many routes one provider may have.

use super::*;

const TWO: &str = "[limits]\nroutes_per_provider_max = 2\n";

/// The file's provider, with so many routes, where one may have two.
fn filed(routes: usize) -> RawCatalog {
    let mut text = format!(
        "{TWO}[[providers]]\nname = \"filed\"\nupstream = {{ addresses = [\"http://127.0.0.1:1\"] }}\n"
    );
    for number in 0..routes {
        text.push_str(&format!(
            "[[providers.routes]]\nname = \"f{number}\"\npath = \"/f{number}\"\nprice = \"$1\"\n"
        ));
    }
    config(&text).catalog
}

#[tokio::test]
async fn a_provider_has_so_many_routes_with_the_names_it_gave_up_and_leaves_the_others_theirs() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    registry.apply(&filed(0), registry.now()).await.unwrap();
    for name in ["acme", "other"] {
        registry.create_provider(&operator(), provider(name)).await.unwrap();
    }
    let make = async |name: &str, provider: &str| {
        registry.create_route(&tenant(), route(name, provider, "$1")).await.map(drop)
    };
    let refused = |made: Result<(), RegistryError>| matches!(made, Err(RegistryError::TooMany(_, 2)));
    make("a", "acme").await.unwrap();
    make("b", "acme").await.unwrap();
    assert!(refused(make("c", "acme").await));
    registry.update_route(&tenant(), "b", patch(json!({ "price": "$2" }))).await.unwrap();
    registry.remove_route(&tenant(), "b").await.unwrap();
    assert!(refused(make("c", "acme").await), "a name that is kept is one too");
    make("b", "acme").await.unwrap();
    make("c", "other").await.unwrap();
    // The operator's file is the operator's.
    registry.apply(&filed(3), registry.now()).await.unwrap();
    assert!(refused(make("f", "filed").await));
    registry.create_route(&operator(), route("f", "filed", "$1")).await.unwrap();
    assert_eq!(registry.routes(None).len(), 7);
}
