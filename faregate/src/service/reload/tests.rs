use std::path::Path;

use control_plane::metrics::ControlMetrics;
use gateway::Shutdown;
use registry::catalog::Editor;
use registry::{Actor, ActorKind};
use serde_json::json;

use super::*;
use crate::clock::SystemClock;
use crate::service::commits::Commits;
use crate::service::{Role, open};

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

#[tokio::test]
async fn a_file_whose_catalog_is_refused_changes_no_agent_either() {
    let folder = tempfile::tempdir().unwrap();
    let head = format!("[data]\ndirectory = \"{}\"\n", folder.path().join("data").display());
    let loaded = |limit: &str, route: &str| {
        let text = format!(
            "{head}[[agents]]\nname = \"robot\"\nper_day = \"{limit}\"\n[[providers]]\nname = \"filed\"\n\
             upstream = {{ addresses = [\"https://a.example.com\"] }}\n[[providers.routes]]\nname = \"{route}\"\n\
             path = \"/{route}\"\nprice = \"$1\"\n"
        );
        Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap()
    };
    let first = loaded("$5", "a");
    let prometheus = prometheus::Registry::new();
    let (metrics, shutdown) = (Arc::new(Metrics::new(&prometheus).unwrap()), Shutdown::new());
    let control_metrics = Arc::new(ControlMetrics::new(&prometheus).unwrap());
    let commits = Arc::new(Commits::new(Arc::clone(&metrics), shutdown.clone()));
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    let (ledger, writer) = open(&first.config, Role::Both, Arc::clone(&commits)).await.unwrap();
    let base = Base { ledger, commits, metrics, control_metrics, prometheus, shutdown };
    let registry = Registry::open_with(&first.config.data, Arc::new(SystemClock), 1_000).await.unwrap();
    let mut reloader = Reloader::new(first.config.clone(), &base, registry.clone());
    reloader.put_in_force(&first, false).await.unwrap();

    let editor = Editor::operator(Actor::new(ActorKind::Token));
    let taken = json!({ "name": "b", "provider": "filed", "path": "/taken", "price": "$1" });
    registry.create_route(&editor, taken).await.unwrap();
    let limit =
        async || registry.agent_named("robot").await.unwrap().unwrap().policy.per_day.unwrap().to_string();
    assert!(reloader.put_in_force(&loaded("$6", "b"), false).await.is_err());
    assert_eq!(limit().await, "$5.00");
    reloader.put_in_force(&loaded("$6", "c"), false).await.unwrap();
    assert_eq!(limit().await, "$6.00");
    registry.close().await;
    tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
}
