//! Statements that stand while the schema grows under them.

use domain::{AgentId, AlertId, ApiKeyId, Secret, SpendingPolicy, UnixMillis, WalletId};

use super::*;
use crate::Database;
use crate::agent::{Listing, NewAgent, NewKey};
use crate::journal::{Filter, Tenant, Wanted};
use crate::registry::tests::{OPERATOR, Place, TestClock, open};
use crate::webhook::{NewWebhook, Webhook};

const NOW: UnixMillis = UnixMillis(0);

/// Each statement that reads whole rows, once, over one connection.
async fn read_everything(
    session: &mut Session<'_>,
    (agent, key, webhook): (AgentId, domain::KeyId, &Webhook),
) -> Result<(), StoreError> {
    let wallet = WalletId::from_bytes([7; 16]);
    agents::list(session, Some(agent)).await?;
    agents::find_key(session, key).await?.expect("the key");
    agents::find_signer(session, domain::Address::repeat_byte(7)).await?;
    api_keys::get(session, ApiKeyId::from_bytes([7; 16])).await?;
    api_keys::list(session, None, 9).await?;
    alerts::list(session, wallet).await?;
    alerts::watched(session, &[wallet]).await?;
    wallets::get(session, wallet).await?;
    webhooks::get(session, webhook.id).await?;
    webhooks::list(session, &Tenant::default(), None, 9).await?;
    webhooks::enabled(session).await?;
    webhooks::take_turn(session, webhook.id, &[1; 16], NOW, NOW).await?.expect("the turn");
    let outcomes = crate::webhook::queue::DeliveryOutcomes::default();
    webhooks::record(session, webhook.id, &[1; 16], &outcomes, NOW).await?;
    deliveries::untold(session, webhook, (0, 99), 9).await?;
    deliveries::due(session, webhook.id, NOW, 9).await?;
    deliveries::event(session, domain::EventId::from_bytes([7; 16])).await?;
    for state in [None, Some(crate::webhook::DeliveryState::Pending)] {
        deliveries::list(session, webhook.id, state, 99, 9).await?;
    }
    setup::providers(session, 0).await?;
    setup::routes(session, 0).await?;
    setup::changes(session, 99, 9).await?;
    payouts::of_provider(session, "acme", NOW).await?;
    payouts::in_force(session, NOW).await?;
    payouts::unannounced(session, NOW).await?;
    for owner in [None, Some("lab".to_owned())] {
        agents::page(session, &Listing { owner: owner.clone(), before: None }, 9).await?;
        wallets::page(session, &Listing { owner: owner.clone(), before: None }, 9).await?;
        alerts::all(session, owner.as_deref(), None::<AlertId>, 9).await?;
        let filter = Filter { owner, ..Filter::default() };
        journal::events_after(session, 0, 9, &filter).await?;
        journal::changes_before(session, 99, 9, &filter).await?;
    }
    let provider = Filter { provider: Some("acme".to_owned()), ..Filter::default() };
    journal::events_after(session, 0, 9, &provider).await?;
    journal::find_events(session, (0, 99), 9, &provider, &Wanted::default()).await?;
    let of_agent = Filter { subject: Some(("agent".to_owned(), Some("x".to_owned()))), ..Filter::default() };
    journal::changes_before(session, 99, 9, &of_agent).await?;
    journal::changes_between(session, 0, 99).await?;
    journal::verify(session).await?;
    Ok(())
}

#[tokio::test]
async fn a_running_process_reads_on_while_a_newer_one_adds_a_column_to_every_table() {
    let url = test_postgres::fresh_database();
    let database = Database::Postgres { url: Secret::new(url.clone()) };
    let place = Place::of(database);
    let registry = open(&place, &TestClock::new()).await;
    let wallet = registry.new_wallet().unwrap();
    let new = NewAgent { name: "x".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
    let agent = registry.create_agent_and_wallet(&OPERATOR, new).await.unwrap().id;
    let key = registry.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap().grant.id;
    let new = NewWebhook {
        url: "https://example.com/".to_owned(),
        types: None,
        tenant: Tenant::default(),
        of_operator: false,
    };
    let webhook = registry.create_webhook(&OPERATOR, new).await.unwrap();

    let mut connection = registry.shared.pool.acquire().await.unwrap();
    read_everything(&mut connection.session(), (agent, key, &webhook)).await.unwrap();
    let tables = "select tablename from pg_tables where schemaname = 'registry'";
    for table in test_postgres::query(&url, tables).lines() {
        let _ = test_postgres::query(&url, &format!("alter table registry.{table} add column newer bigint"));
    }
    read_everything(&mut connection.session(), (agent, key, &webhook)).await.unwrap();
}
