//! M6, C12: a backup of a running gateway, put in place of its data directory.

use serde_json::Value;
use tests::process::run;
use tests::{Config, Database, Request, Route, World};

use crate::visitors::Visitors;

const PRICE: u64 = 1_000;
const FUNDS: u64 = 1_000_000_000;

async fn world() -> World {
    World::with("$1000", |upstream| {
        let config = Config::new(upstream, [Route::new("/items/{id}", "$0.001")]);
        Config { database: Some(Database::Sqlite), ..config }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_a_backup_under_load_is_whole_and_serves_in_place_of_the_data() {
    let mut world = world().await;
    let config = world.gateway.config_path().display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backup");
    let to = target.display().to_string();
    let visitors = Visitors::come(&world, 8).await;
    visitors.served(40).await;
    let before = world.gateway.ask("GET", "/v1/audit", None).await["payments"].as_u64().unwrap();
    let said = run(&["db", "backup", "-c", &config, "--to", &to, "-o", "json"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    visitors.served(20).await;
    let journal = visitors.leave().await;
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let kept = report["payments"].as_u64().unwrap();
    let all = journal.acknowledged.len() as u64;
    println!("{report}");
    assert!((before..=all - 20).contains(&kept), "{before} before, {kept} in the backup, {all} in the end");
    assert!(report["bytes"].as_u64().unwrap() > 0 && report["batch"].as_u64().unwrap() > 0);

    let again = run(&["db", "backup", "-c", &config, "--to", &to]).await;
    assert_eq!(again.code, Some(1), "a backup is never written over");
    assert!(again.err.contains("exists already"), "{}", again.err);

    // C12: what was captured after the backup is not in it, and the audit says as of when it speaks.
    let audited = run(&["audit", "--data", &to, "-o", "json"]).await;
    assert_eq!(audited.code, Some(0), "{}{}", audited.out, audited.err);
    let audited: Value = serde_json::from_str(&audited.out).unwrap();
    assert_eq!((&audited["payments"], &audited["at"]), (&report["payments"], &report["at"]));

    world.gateway.terminate().await;
    let data = world.gateway.data_directory();
    std::fs::rename(&data, folder.path().join("old")).unwrap();
    std::fs::rename(&target, &data).unwrap();
    world.gateway.restart().await;
    world.expect_balance(i64::try_from(FUNDS - PRICE * kept).unwrap()).await;
    world.buy(&Request::get("/items/after")).await.expect_status(200);
    world.expect_balance(i64::try_from(FUNDS - PRICE * (kept + 1)).unwrap()).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_a_backup_that_cannot_be_made_leaves_nothing_and_postgresql_is_told_what_to_do() {
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backup");
    let to = target.display().to_string();
    let file = folder.path().join("faregate.toml");
    let elsewhere = folder.path().join("nothing");
    let text = world.gateway.config_text();
    let data = world.gateway.data_directory().display().to_string();
    std::fs::write(&file, text.replace(&data, &elsewhere.display().to_string())).unwrap();
    let said = run(&["db", "backup", "-c", &file.display().to_string(), "--to", &to]).await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["faregate.toml"], "half a backup is left: {}", said.err);

    let postgres = text
        .replace(&format!("directory = \"{data}\""), "database = \"postgres://faregate@localhost/faregate\"");
    std::fs::write(&file, postgres).unwrap();
    let said = run(&["db", "backup", "-c", &file.display().to_string(), "--to", &to]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("pg_dump"), "{}", said.err);
    world.finish().await;
}
