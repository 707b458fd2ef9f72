//! Wallets that are made: whoever may not make one leaves nothing behind, and one whose making broke off is made all the same.

use std::time::Duration;

use futures_util::future;
use registry::{Actor, ActorKind, Role};

use domain::WalletId;

use super::*;
use crate::upkeep;

/// Calls at once.
const RACERS: usize = 16;

impl House {
    /// The ledger's wallets, of which the registry knows each.
    async fn known_wallets(&self) -> usize {
        let listed = self.ledger.wallets(ledger::Page::first(100)).await.unwrap().items;
        for wallet in &listed {
            let known = self.registry.wallet(wallet.wallet).await.unwrap();
            assert!(known.is_some_and(|known| known.opened), "nobody's wallet: {}", wallet.wallet);
        }
        listed.len()
    }

    /// A wallet whose making broke off before the ledger heard of it.
    async fn broken_off(&self, name: &str) -> WalletId {
        let (actor, id) = (Actor::new(ActorKind::Token), self.registry.new_wallet().unwrap());
        self.registry.create_wallet(&actor, id, name.to_owned(), None).await.unwrap();
        assert!(self.ledger.wallet(id).await.unwrap().is_none());
        id
    }
}

/// How many were made of so many calls at once; all others are refused with this code.
async fn race(house: &House, key: &str, path: &str, refused: &str, body: impl Fn(usize) -> Value) -> usize {
    let call = |number| {
        let call = Call::new("POST", path).with("Authorization", &format!("Bearer {key}"));
        house.call(call.json(&body(number)))
    };
    let mut made = 0;
    for answer in future::join_all((0..RACERS).map(call)).await {
        if answer.status == 201 {
            made += 1;
        } else {
            answer.expect_problem(409, refused);
        }
    }
    made
}

#[tokio::test]
async fn of_many_agents_made_at_once_under_one_name_one_is_made_and_the_others_leave_no_wallet() {
    let house = House::control().await;
    let made = race(&house, TOKEN, "/v1/agents", "conflict", |_| json!({ "name": "buyer" })).await;
    assert_eq!((made, house.known_wallets().await), (1, 1));
    assert_eq!(house.rows(TOKEN, "/v1/wallets").await.len(), 1);
    house.end().await;
}

#[tokio::test]
async fn an_owner_has_so_many_wallets_however_many_are_made_at_once() {
    let house = House::control().await;
    let few = "[limits]\nwallets_per_owner_max = 3\n";
    let config = Config::parse(Path::new("test.toml"), few, &Environment::default()).unwrap().config;
    house.registry.apply(&config.catalog, Still.now()).await.unwrap();
    let desk = house.key_of(Role::Owner("lab".to_owned()), false).await;
    let body = json!({ "name": "till", "owner": "lab" });
    let till = house.admin("POST", "/v1/wallets", Some(body.clone())).await.expect(201);
    // Several may be called the same.
    let made = race(&house, &desk, "/v1/wallets", "too_many", |_| json!({ "name": "purse" })).await;
    assert_eq!((made, house.known_wallets().await), (2, 3));
    let made =
        race(&house, &desk, "/v1/agents", "too_many", |n| json!({ "name": format!("buyer {n}") })).await;
    assert_eq!((made, house.known_wallets().await), (0, 3), "an agent's own is a wallet too");
    assert_eq!(house.rows(TOKEN, "/v1/agents").await, Vec::<Value>::new());
    let problem = house.admin("POST", "/v1/wallets", Some(body)).await.expect_problem(409, "too_many");
    assert!(text(&problem["detail"]).contains("3 wallets of this owner"), "{problem}");
    // One that is shared is none more; others, and the operator's own, are not the owner's.
    let shared = json!({ "name": "buyer", "owner": "lab", "wallet": till["id"] });
    house.admin("POST", "/v1/agents", Some(shared)).await.expect(201);
    for body in [json!({ "name": "till", "owner": "rival" }), json!({ "name": "till" })] {
        house.admin("POST", "/v1/wallets", Some(body)).await.expect(201);
    }
    house.end().await;
}

#[tokio::test]
async fn a_wallet_whose_making_broke_off_is_opened_by_whoever_asks_for_it() {
    let house = House::control().await;
    let id = house.broken_off("till").await.to_string();
    assert_eq!(house.rows(TOKEN, "/v1/wallets").await[0]["balance"]["amount"], "0");
    house.fund(&id, "one", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    let shown = house.admin("GET", &format!("/v1/wallets/{id}"), None).await.expect(200);
    assert_eq!((&shown["balance"]["display"], house.known_wallets().await), (&json!("$1.00"), 1));
    house.end().await;
}

#[tokio::test]
async fn wallets_whose_making_broke_off_are_opened_where_nobody_asks() {
    let house = House::control().await;
    let ids = [house.broken_off("first").await, house.broken_off("second").await];
    let (stop, stopped) = watch::channel(false);
    let (ledger, registry) = (house.ledger.clone(), house.registry.clone());
    let upkeep = tokio::spawn(upkeep::open_wallets(ledger, registry, Duration::from_millis(5), stopped));
    let opened = async {
        while !house.registry.unopened_wallets(10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), opened).await.expect("they are opened in time");
    stop.send_replace(true);
    upkeep.await.unwrap();
    assert_eq!(house.known_wallets().await, ids.len());
    house.end().await;
}
