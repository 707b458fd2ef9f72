//! The ops listener: readiness says what is not ready, and a scrape is brought up to date.

use super::*;
use crate::ops::{self, DataPlane, OpsState};
use crate::watch::DatabaseWatch;

/// A data plane that says what the test wants.
struct Plane {
    draining: bool,
    scrapes: prometheus::IntCounter,
}

impl DataPlane for Plane {
    fn is_draining(&self) -> bool {
        self.draining
    }

    fn before_scrape(&self) {
        self.scrapes.inc();
    }
}

fn ops_house(draining: bool) -> impl Future<Output = House> {
    House::open(move |ledger, registry| {
        let metrics = prometheus::Registry::new();
        let scrapes = prometheus::IntCounter::new("test_scrapes", "Scrapes.").unwrap();
        metrics.register(Box::new(scrapes.clone())).unwrap();
        let data_plane = Arc::new(Plane { draining, scrapes });
        ops::router(OpsState {
            ledger,
            registry,
            metrics,
            role: "run".to_owned(),
            database: Arc::new(DatabaseWatch::new(false)),
            data_plane,
        })
    })
}

#[tokio::test]
async fn readiness_waits_for_a_catalog_and_ends_with_the_drain() {
    let house = ops_house(false).await;
    let ready = async || house.call(Call::new("GET", "/readyz")).await;
    assert_ne!(ready().await.expect(503)["checks"]["catalog"], "ok");
    house.registry.apply(&catalog(), Still.now()).await.unwrap();
    let body = ready().await.expect(200);
    assert_eq!(
        (&body["ready"], &body["role"], &body["database"]["kind"]),
        (&json!(true), &json!("run"), &json!("postgresql")),
        "until it was asked"
    );
    assert_eq!(house.call(Call::new("GET", "/healthz")).await.status, 200);
    house.end().await;

    let house = ops_house(true).await;
    house.registry.apply(&catalog(), Still.now()).await.unwrap();
    let checks = house.call(Call::new("GET", "/readyz")).await.expect(503);
    assert_eq!(checks["checks"]["serving"], "draining");
    assert_eq!(house.call(Call::new("GET", "/healthz")).await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn a_scrape_sees_what_was_brought_up_to_date_for_it() {
    let house = ops_house(false).await;
    let scrape = house.call(Call::new("GET", "/metrics")).await;
    assert_eq!(scrape.status, 200);
    assert!(scrape.body.contains("test_scrapes 1"), "{}", scrape.body);
    assert!(scrape.head.contains("text/plain; version=0.0.4"), "{}", scrape.head);
    house.end().await;
}
