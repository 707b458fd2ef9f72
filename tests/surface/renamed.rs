//! What a changed file leaves behind: a provider that is gone and still owed, sections that wait for a restart. Nobody has to look for it.

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::process::run;
use tests::{Faregate, Request, World};

/// What the doctor finds wrong with one thing.
async fn wrong(gateway: &Faregate, what: &str) -> Option<String> {
    let config = gateway.config_path().display().to_string();
    let said = run(&["doctor", "-c", &config, "-o", "json"]).await;
    let report: Value = serde_json::from_str(&said.out).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["what"] == what).expect("it is looked at");
    found["wrong"].as_str().map(str::to_owned)
}

async fn checked(gateway: &Faregate) -> String {
    let said = run(&["check", "-c", &gateway.config_path().display().to_string()]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    said.out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_gone_from_the_file_and_still_owed_is_told_of_with_its_amount() {
    let mut world = World::paid().await;
    world.buy(&Request::get("/paid")).await.expect_status(200);
    let told = "`acme` is gone, and earned $0.001";
    let good = world.gateway.config_text();
    assert!(!checked(&world.gateway).await.contains("is gone"));
    assert_eq!(wrong(&world.gateway, "earnings").await, None);
    world.gateway.overwrite(&good.replace("name = \"acme\"", "name = \"acme-next\""));
    assert!(checked(&world.gateway).await.contains(told), "before it is in force");
    world.gateway.signal(Signal::SIGHUP);
    world.gateway.logged(told).await;
    assert!(wrong(&world.gateway, "earnings").await.expect("something").contains(told));
    let owed = world.gateway.ask("GET", "/v1/settlements/owed", None).await["data"][0].clone();
    assert_eq!((owed["provider"].as_str(), owed["gone"].as_bool()), (Some("acme"), Some(true)));
    assert_eq!(owed["owed"]["amount"], "1000");
    assert!(checked(&world.gateway).await.contains(told), "and for as long as it is owed");
    // There is a provider of its name again.
    world.gateway.terminate().await;
    world.gateway.restart().await;
    world.gateway.overwrite(&good);
    world.gateway.signal(Signal::SIGHUP);
    tests::wait::until("nothing to be told", || async {
        wrong(&world.gateway, "earnings").await.is_none().then_some(())
    })
    .await;
    assert!(!checked(&world.gateway).await.contains("is gone"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_that_waits_for_a_restart_is_told_of_until_it_came() {
    let mut world = World::paid().await;
    let good = world.gateway.config_text();
    assert_eq!(wrong(&world.gateway, "restart").await, None);
    world.gateway.overwrite(&format!("{good}\n[limits]\nconnections_max = 500\n"));
    world.gateway.signal(Signal::SIGHUP);
    world.gateway.logged("this section changed and waits for a restart").await;
    world.gateway.counted("faregate_restart_pending", &[("section", "limits")], 1).await;
    let told = wrong(&world.gateway, "restart").await.expect("something");
    assert!(told.starts_with("[limits] changed"), "{told}");
    world.gateway.terminate().await;
    world.gateway.restart().await;
    assert_eq!(wrong(&world.gateway, "restart").await, None);
    world.finish().await;
}
