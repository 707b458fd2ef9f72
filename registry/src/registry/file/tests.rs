use std::sync::Arc;

use domain::{Address, Amount, SpendingPolicy};
use serde_json::json;

use super::*;
use crate::agent::{NewAgent, NewKey};
use crate::journal::Filter;
use crate::registry::tests::{OPERATOR, Place, TestClock, agents, config, open, operator};
use crate::{AgentKey, Config};

/// An agent that the API made.
async fn made(registry: &Registry, name: &str, owner: Option<&str>) -> AgentId {
    let wallet = registry.new_wallet().unwrap();
    let (name, owner) = (name.to_owned(), owner.map(str::to_owned));
    let new = NewAgent { name, wallet, owner, policy: SpendingPolicy::default() };
    registry.create_agent(&OPERATOR, new).await.unwrap().id
}

/// What a start with this file is refused with, and a look at it as well: places and words.
async fn refused(registry: &Registry, place: &Place, text: &str) -> Vec<(Option<usize>, String, String)> {
    let at_start = registry.upsert_agents(&agents(text)).await.unwrap_err();
    let config = Config { data: place.database.clone(), ..config(text) };
    let tried = Registry::try_file(&config, TestClock::new()).await.unwrap_err();
    assert_eq!(tried.iter().map(ToString::to_string).collect::<Vec<_>>(), [at_start.to_string()]);
    let RegistryError::File(errors) = at_start else { panic!("{at_start}") };
    errors.iter().map(|error| (error.line(), error.key.clone(), error.message.clone())).collect()
}

#[tokio::test]
async fn an_agent_of_the_file_does_not_land_on_a_tenants_agent_of_the_same_name() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let id = made(&registry, "robot", Some("lab")).await;
    let before = registry.agent(id).await.unwrap();
    let text = "[[agents]]\nname = \"free\"\n\n[[agents]]\nname = \"robot\"\nper_day = \"$5\"\n";
    let told = refused(&registry, &place, text).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let (line, key, message) = &told[0];
    assert_eq!((*line, key.as_str()), (Some(5), "agents[1].name"));
    assert!(message.contains("`robot`") && message.contains("`lab`"), "{message}");
    assert_eq!(registry.agent(id).await.unwrap(), before);
    assert!(registry.agent_named("free").await.unwrap().is_none(), "all or nothing");

    // The operator's own is brought up to date.
    let own = made(&registry, "own", None).await;
    let found =
        registry.upsert_agents(&agents("[[agents]]\nname = \"own\"\nper_day = \"$5\"\n")).await.unwrap();
    assert_eq!(found[0].id, own);
    assert!(found[0].policy.per_day.is_some());
}

#[tokio::test]
async fn signers_and_keys_that_the_api_gave_to_another_agent_are_refused_at_their_places() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let other = made(&registry, "other", None).await;
    let (free, taken) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    registry.add_signer(&OPERATOR, other, taken).await.unwrap();
    let key = registry.add_key(&OPERATOR, other, NewKey::default()).await.unwrap().key;
    let text = format!(
        "[[agents]]\nname = \"x\"\nsigners = [\n\"{free}\",\n\"{taken}\"]\n[[agents.keys]]\nhash = \"{}\"\n",
        key.hash()
    );
    let told = refused(&registry, &place, &text).await;
    let places: Vec<_> = told.iter().map(|(line, key, _)| (*line, key.as_str())).collect();
    assert_eq!(places, [(Some(5), "agents[0].signers[1]"), (Some(7), "agents[0].keys[0].hash")]);
    assert!(told.iter().all(|(.., message)| message.contains("`other`")), "{told:?}");

    // What an earlier file brought moves with the file, and what an agent has by the API the file may name for it.
    let given = |name: &str, signer| format!("[[agents]]\nname = \"{name}\"\nsigners = [\"{signer}\"]\n");
    registry.upsert_agents(&agents(&given("x", free))).await.unwrap();
    for good in [given("y", free), given("other", taken)] {
        let config = Config { data: place.database.clone(), ..config(&good) };
        assert!(Registry::try_file(&config, Arc::clone(&clock) as _).await.unwrap().is_some());
        registry.upsert_agents(&agents(&good)).await.unwrap();
    }
}

#[tokio::test]
async fn a_restart_with_the_same_words_undoes_nothing_that_was_changed_since() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let signer = Address::repeat_byte(0x11);
    let key = AgentKey::generate(registry.now(), [5; 42]);
    let with = |limit: &str, key: &AgentKey| {
        format!(
            "[[agents]]\nname = \"x\"\nper_day = \"{limit}\"\nsigners = [\"{signer}\"]\nkeys = [{{ hash = \"{}\" }}]\n",
            key.hash()
        )
    };
    let text = |limit: &str| with(limit, &key);
    let agent = registry.upsert_agents(&agents(&text("$5"))).await.unwrap().remove(0);
    let tight = SpendingPolicy { per_day: Amount::from_atomic(1), ..SpendingPolicy::default() };
    registry.set_policy(&OPERATOR, agent.id, |_| true, &tight).await.unwrap();
    registry.remove_signer(&OPERATOR, agent.id, signer).await.unwrap();
    registry.revoke_key(&OPERATOR, agent.id, key.id()).await.unwrap();
    let other = made(&registry, "other", None).await;
    registry.add_signer(&OPERATOR, other, signer).await.unwrap();
    registry.close().await;

    let registry = open(&place, &clock).await;
    let config = Config { data: place.database.clone(), ..config(&text("$5")) };
    assert!(Registry::try_file(&config, Arc::clone(&clock) as _).await.unwrap().is_some());
    let moved = "[[agents]]\nname = \"new\"\n\n".to_owned() + &text("$5.00");
    let kept = registry.upsert_agents(&agents(&moved)).await.unwrap().remove(1);
    assert_eq!((&kept.policy, kept.signers.len(), kept.keys.len()), (&tight, 0, 0));

    // Other words are applied, and so are the same ones after they were gone.
    registry.remove_signer(&OPERATOR, other, signer).await.unwrap();
    let told = refused(&registry, &place, &text("$6")).await;
    let [(line, place, message)] = &told[..] else { panic!("one key was stolen: {told:?}") };
    assert_eq!((*line, place.as_str()), (Some(5), "agents[0].keys[0].hash"));
    assert!(message.contains(&key.id().to_string()) && message.contains("was revoked"), "{message}");
    let next = AgentKey::generate(registry.now(), [6; 42]);
    let text = |limit: &str| with(limit, &next);
    let changed = registry.upsert_agents(&agents(&text("$6"))).await.unwrap().remove(0);
    assert_eq!(changed.policy.per_day.unwrap().to_string(), "$6.00");
    assert_eq!((changed.signers.len(), changed.keys.len()), (1, 1));
    registry.set_policy(&OPERATOR, agent.id, |_| true, &tight).await.unwrap();
    registry.upsert_agents(&[]).await.unwrap();
    let back = registry.upsert_agents(&agents(&text("$6"))).await.unwrap().remove(0);
    assert_eq!(back.policy.per_day.unwrap().to_string(), "$6.00");
}

#[tokio::test]
async fn all_that_stands_in_a_files_way_is_told_at_once() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let upstream = "upstream = { addresses = [\"https://a.example.com\"] }";
    let provider = |name: &str| format!("[[providers]]\nname = \"{name}\"\n{upstream}\n");
    let route = |name: &str, path: &str| {
        format!("[[providers.routes]]\nname = \"{name}\"\npath = \"{path}\"\nprice = \"$1\"\n")
    };
    let acme = json!({ "name": "acme", "upstream": { "addresses": ["https://a.example.com"] } });
    registry.create_provider(&operator(), acme).await.unwrap();
    let sold = json!({ "name": "sold", "provider": "acme", "path": "/sold", "price": "$1" });
    registry.create_route(&operator(), sold).await.unwrap();
    made(&registry, "robot", Some("lab")).await;
    let text = [
        provider("acme"),
        route("sold", "/elsewhere"),
        provider("filed"),
        route("twin", "/sold"),
        "[[agents]]\nname = \"robot\"\n".to_owned(),
    ];
    let config = Config { data: place.database.clone(), ..config(&text.concat()) };
    let tried = Registry::try_file(&config, clock).await.unwrap_err();
    let told = tried.iter().flat_map(|error| match error {
        RegistryError::File(errors) => {
            errors.iter().map(|error| (error.line(), error.key.clone())).collect::<Vec<_>>()
        }
        other => panic!("{other}"),
    });
    let told: Vec<_> = told.collect();
    let expected = [
        (Some(16), "agents[0].name"),
        (Some(2), "providers[0].name"),
        (Some(5), "providers[0].routes[0].name"),
        (Some(12), "providers[1].routes[0].name"),
    ];
    assert_eq!(told, expected.map(|(line, key)| (line, key.to_owned())));
}

#[tokio::test]
async fn what_the_file_gives_and_takes_of_signers_and_keys_is_in_the_audit_log() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let (key, other) =
        (AgentKey::generate(registry.now(), [5; 42]), AgentKey::generate(registry.now(), [6; 42]));
    let text = |signer: u8, key: &AgentKey, limit: &str| {
        let (signer, hash) = (Address::repeat_byte(signer), key.hash());
        format!(
            "[[agents]]\nname = \"x\"\nsigners = [\"{signer}\"]\nkeys = [{{ hash = \"{hash}\", per_request = \"{limit}\" }}]\n"
        )
    };
    let mut seen = 0;
    let mut changed = async |text: &str| {
        registry.upsert_agents(&agents(text)).await.unwrap();
        let mut changes = registry.changes(None, 100, &Filter::default()).await.unwrap();
        changes.retain(|change| change.seq > seen);
        seen += changes.len() as u64;
        changes.reverse();
        assert!(changes.iter().all(|change| change.actor_kind == "file" && change.before != change.after));
        changes.into_iter().map(|change| (change.action, change.subject)).collect::<Vec<_>>()
    };
    let first = changed(&text(1, &key, "$1")).await;
    let id = registry.agent_named("x").await.unwrap().unwrap().id.to_string();
    let (key_id, other_id) = (key.id().to_string(), other.id().to_string());
    let told = |changes: &[(&str, &str)]| {
        changes.iter().map(|(action, subject)| (action.to_string(), subject.to_string())).collect::<Vec<_>>()
    };
    let made = [("agent.created", &*id), ("signer.added", &id), ("agent_key.created", &key_id)];
    assert_eq!(first[1..], told(&made));
    assert_eq!(first[0].0, "wallet.created");
    assert_eq!(changed(&text(1, &key, "$1")).await, []);
    assert_eq!(changed(&text(1, &key, "$2")).await, told(&[("agent_key.updated", &key_id)]));
    let moved = [
        ("signer.removed", &*id),
        ("agent_key.revoked", &key_id),
        ("signer.added", &id),
        ("agent_key.created", &other_id),
    ];
    assert_eq!(changed(&text(2, &other, "$2")).await, told(&moved));
    let gone = [("signer.removed", &*id), ("agent_key.revoked", &other_id)];
    assert_eq!(changed("").await, told(&gone));
}

#[tokio::test]
async fn a_key_of_the_file_that_was_rotated_does_not_come_back() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let key = AgentKey::generate(registry.now(), [5; 42]);
    let text = |limit: &str| {
        format!("[[agents]]\nname = \"x\"\nper_day = \"{limit}\"\nkeys = [{{ hash = \"{}\" }}]\n", key.hash())
    };
    let agent = registry.upsert_agents(&agents(&text("$5"))).await.unwrap().remove(0);
    let (_, end) = registry.rotate_key(&OPERATOR, agent.id, key.id(), 60_000).await.unwrap();
    let changed = registry.upsert_agents(&agents(&text("$6"))).await.unwrap().remove(0);
    let old = changed.keys.iter().find(|grant| grant.id == key.id()).unwrap();
    assert_eq!((changed.keys.len(), old.expires_at), (2, Some(end)));

    // Nor once it is forgotten, which the next key does after a time, or the file.
    clock.advance(crate::agent::ENDED_KEY_MS + 120_000);
    registry.add_key(&OPERATOR, agent.id, NewKey::default()).await.unwrap();
    assert_eq!(refused(&registry, &place, &text("$7")).await.len(), 1);
    let next = AgentKey::generate(registry.now(), [6; 42]);
    let with =
        |key: &AgentKey| format!("[[agents]]\nname = \"y\"\nkeys = [{{ hash = \"{}\" }}]\n", key.hash());
    let agent = registry.upsert_agents(&agents(&with(&next))).await.unwrap().remove(0);
    registry.rotate_key(&OPERATOR, agent.id, next.id(), 0).await.unwrap();
    registry.upsert_agents(&[]).await.unwrap();
    assert_eq!(refused(&registry, &place, &with(&next)).await.len(), 1);
}
