//! Providers and routes through the API and through the file, over the real databases.

mod api;
mod chain;
mod file;
mod gone;
mod moved;
mod room;
mod several;
mod unread;

use serde_json::{Map, Value, json};

use super::*;
use crate::journal::{Actor, ActorKind, Filter};
use crate::registry::tests::{Place, TestClock, config, open, operator};
use crate::registry::{Registry, RegistryError};

fn tenant() -> Editor {
    Editor::provider(Actor::new(ActorKind::System))
}

fn provider(name: &str) -> Value {
    let addresses = json!([format!("https://{name}.example.com")]);
    json!({ "name": name, "upstream": { "addresses": addresses, "headers": { "x-api-key": "hunter2" } } })
}

fn route(name: &str, provider: &str, price: &str) -> Value {
    json!({ "name": name, "provider": provider, "path": format!("/{name}"), "price": price })
}

fn patch(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A file with one provider, `filed`, and these routes of it.
fn file(routes: &[(&str, &str)]) -> RawCatalog {
    let mut text =
        "[[providers]]\nname = \"filed\"\nupstream = { addresses = [\"http://127.0.0.1:1\"] }\n".to_owned();
    for (name, price) in routes {
        text.push_str(&format!(
            "[[providers.routes]]\nname = \"{name}\"\npath = \"/{name}\"\nprice = \"{price}\"\n"
        ));
    }
    config(&text).catalog
}

fn mistakes(error: RegistryError) -> Vec<(String, String)> {
    match error {
        RegistryError::Invalid(mistakes) => {
            mistakes.into_iter().map(|mistake| (mistake.pointer, mistake.message)).collect()
        }
        other => panic!("{other}"),
    }
}

fn pointers(error: RegistryError) -> Vec<String> {
    mistakes(error).into_iter().map(|(pointer, _)| pointer).collect()
}

/// A registry with the provider `acme`, the file's provider, and a clock that stands.
async fn opened(place: &Place) -> (Registry, Arc<TestClock>) {
    let clock = TestClock::new();
    let registry = open(place, &clock).await;
    registry.apply(&file(&[]), registry.now()).await.unwrap();
    registry.create_provider(&operator(), provider("acme")).await.unwrap();
    (registry, clock)
}

async fn events(registry: &Registry) -> Vec<String> {
    let events = registry.events_after(0, 1_000, &Filter::default()).await.unwrap();
    events.into_iter().map(|event| format!("{} {}", event.kind, event.subject)).collect()
}
