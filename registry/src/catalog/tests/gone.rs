//! A provider that goes, and another one that takes its name.

use domain::PayoutDestination;

use super::*;
use crate::Config;
use crate::api_key::{NewApiKey, Role};
use crate::journal::Tenant;
use crate::payout::PayoutDestinations;
use crate::registry::tests::{OPERATOR, TestClock};
use crate::webhook::{Disabled, NewWebhook};

async fn key_of(registry: &Registry, provider: &str) -> crate::ApiKey {
    let role = Role::Provider(provider.to_owned());
    let new = NewApiKey { name: "books".to_owned(), role, read_only: false, scopes: None, expires_at: None };
    registry.create_api_key(&OPERATOR, new).await.unwrap().0
}

#[tokio::test]
async fn the_receivers_of_a_provider_that_is_gone_hear_nothing_of_who_takes_its_name() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let hook = async |provider: &str, of_operator: bool| {
        let (url, tenant) = ("https://example.com/hook".to_owned(), Tenant::provider(provider));
        let new = NewWebhook { url, types: None, tenant, of_operator };
        registry.create_webhook(&OPERATOR, new).await.unwrap().id
    };
    let (its, ours, other) =
        (hook("acme", false).await, hook("acme", true).await, hook("filed", false).await);
    registry.apply_bundle(&operator(), Bundle::default(), true).await.unwrap();
    registry.create_provider(&operator(), provider("acme")).await.unwrap();
    let disabled = async |id| registry.webhook(id).await.unwrap().unwrap().disabled;
    assert_eq!(disabled(its).await, Some(Disabled::Asked));
    assert_eq!((disabled(ours).await, disabled(other).await), (None, None));
    let told = events(&registry).await;
    assert_eq!(told.iter().filter(|told| told.starts_with("webhook.disabled")).count(), 1, "{told:?}");
}

#[tokio::test]
async fn who_takes_the_name_of_a_provider_that_is_gone_gets_neither_its_keys_nor_its_money() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.apply(&file(&[]), registry.now()).await.unwrap();
    for name in ["acme", "filed"] {
        let (key, other) = (key_of(&registry, name).await, key_of(&registry, "another").await);
        let destination = PayoutDestination::Manual("IBAN of the first one".to_owned());
        registry.set_payout_destination(&OPERATOR, name, destination).await.unwrap();
        let kept = registry.payout_destinations(name).await.unwrap();
        match name {
            "acme" => drop(registry.apply_bundle(&operator(), Bundle::default(), true).await.unwrap()),
            _ => drop(registry.apply(&config("").catalog, registry.now()).await.unwrap()),
        }
        assert!(registry.open_with_key(&key).await.unwrap().is_none(), "{name}");
        assert!(registry.open_with_key(&other).await.unwrap().is_some());
        assert_eq!(registry.payout_destinations(name).await.unwrap(), kept, "it earned what it earned");
        match name {
            "acme" => drop(registry.create_provider(&operator(), provider(name)).await.unwrap()),
            _ => drop(registry.apply(&file(&[]), registry.now()).await.unwrap()),
        }
        assert_eq!(registry.payout_destinations(name).await.unwrap(), PayoutDestinations::default());
        assert!(registry.open_with_key(&key).await.unwrap().is_none());
    }
    let told = events(&registry).await;
    let count = |kind: &str| told.iter().filter(|told| told.starts_with(kind)).count();
    assert_eq!(count("api_key.revoked"), 2, "{told:?}");
    assert_eq!(count("provider.payout_destination_changed"), 4, "{told:?}");
}

#[tokio::test]
async fn a_file_that_lets_go_of_a_provider_that_has_something_is_refused_unless_it_is_meant() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.apply(&file(&[]), registry.now()).await.unwrap();
    let without = Config { data: place.database.clone(), ..config("") };
    let tried = async |meant| registry.try_apply(&without.catalog, registry.now(), meant).await;
    let checked = async || Registry::try_file(&without, TestClock::new()).await;
    assert!(tried(false).await.is_ok() && checked().await.is_ok(), "it has nothing");
    let key = key_of(&registry, "filed").await;
    for destination in [false, true] {
        if destination {
            registry.revoke_api_key(&OPERATOR, key.id()).await.unwrap();
            let destination = PayoutDestination::Manual("IBAN".to_owned());
            registry.set_payout_destination(&OPERATOR, "filed", destination).await.unwrap();
        }
        let refused = tried(false).await.unwrap_err();
        let RegistryError::Parting(lost) = &refused else { panic!("{refused}") };
        let keys = usize::from(!destination);
        let lost_by =
            Parting { provider: "filed".to_owned(), keys, webhooks: 0, has_destination: destination };
        assert_eq!(lost, &[lost_by]);
        let told: Vec<_> = checked().await.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told, [refused.to_string()]);
        assert!(tried(true).await.is_ok());
        assert!(registry.provider("filed").is_some(), "it was only tried");
    }
    assert!(registry.try_apply(&file(&[]), registry.now(), false).await.is_ok());
}
