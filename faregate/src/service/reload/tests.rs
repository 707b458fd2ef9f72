use std::path::Path;

use super::*;
use crate::clock::SystemClock;

#[tokio::test]
async fn what_the_database_stopped_is_tried_again_and_a_mistake_of_the_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[data]\ndirectory = \"{}\"\n", folder.path().join("data").display());
    let config = Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap().config;
    let registry = Registry::open_with(&config.data, Arc::new(SystemClock), 1_000).await.unwrap();
    let at = domain::UnixMillis(1);
    assert_eq!(
        verdict(&registry.apply(&config.catalog, at).await.map(drop).map_err(Into::into)),
        Verdict::InForce
    );
    registry.close().await;
    assert_eq!(
        verdict(&registry.apply(&config.catalog, at).await.map(drop).map_err(Into::into)),
        Verdict::Again
    );
    let busy = Err(LedgerError::Overloaded).context("cannot make an agent's wallet");
    assert_eq!(verdict(&busy), Verdict::Again);
    assert_eq!(verdict(&Err(RegistryError::Invalid(Vec::new()).into())), Verdict::Refused);
}
