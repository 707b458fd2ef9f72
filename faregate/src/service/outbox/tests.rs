//! Two senders of one key on one registry.

use registry::{Database, Registry};
use serde_json::json;

use super::*;
use crate::service::SystemClock;

/// A transaction of which these versions stand, each by its number.
fn recorded(versions: &[u8]) -> Recorded {
    let version = |number: &u8| {
        let hash = format!("0x{}", format!("{number:02x}").repeat(32));
        json!({ "raw": format!("0x{number:02x}"), "hash": hash, "fees": { "tip": 1, "most": 2 } })
    };
    let versions: Vec<_> = versions.iter().map(version).collect();
    serde_json::from_value(json!({ "nonce": 7, "members": [], "versions": versions })).unwrap()
}

async fn open(outbox: &RegistryOutbox) -> Vec<Recorded> {
    let open = outbox.resume().await.unwrap().open;
    open.into_iter().map(|unclosed| unclosed.recorded).collect()
}

#[tokio::test]
async fn whoever_has_read_what_another_sender_wrote_and_does_not_know_it_changes_and_closes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite { directory: folder.path().to_owned() };
    let registry = Registry::open(&database, Arc::new(SystemClock)).await.unwrap();
    let outbox = || RegistryOutbox::new(registry.outbox("eip155:84532", "0xabc"));
    let (one, other) = (outbox(), outbox());
    one.record(&recorded(&[1])).await.unwrap();
    assert_eq!(open(&other).await, [recorded(&[1])]);
    other.record(&recorded(&[1, 2])).await.unwrap();
    assert!(one.close(&recorded(&[1]), None, &[]).await.is_err(), "it stands otherwise");

    // It reads what stands there, and then no node answers: what it had in hand is what it knows.
    drop(one.resume().await.unwrap());
    assert!(one.close(&recorded(&[1]), None, &[]).await.is_err());
    assert!(one.record(&recorded(&[1, 3])).await.is_err());
    assert_eq!(open(&other).await, [recorded(&[1, 2])]);

    one.record(&recorded(&[1, 2, 3])).await.unwrap();
    assert!(other.close(&recorded(&[1, 2]), None, &[]).await.is_err());
    one.close(&recorded(&[1, 2, 3]), None, &[]).await.unwrap();
    assert_eq!(open(&other).await, []);
    registry.close().await;
}
