//! The part of a setup that is a tenant's own.

use tests::Upstream;
use tests::process::run;

use super::{Folder, SETUP, gateway, made};
use crate::manage::say;

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_exports_and_applies_what_is_its_own() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = gateway(&upstream).await;
    made(&gateway, &upstream, &folder).await;
    say(&gateway, "agent create --name stranger --owner else").await;
    let key = say(&gateway, "api-key create --name lab --role owner --owner lab --field key").await.out;
    let api = gateway.control_url();
    let own = async |words: &[&str]| {
        let said = run(&[words, &["--api", &api, "--token", key.trim()]].concat()).await;
        assert_eq!(said.code, Some(0), "{words:?}: {}", said.err);
        said.out
    };
    let text = own(&["export"]).await;
    assert!(
        text.contains("may not read it: providers and routes, payout destinations, keys of the API.\n"),
        "{text}"
    );
    assert_eq!((text.matches("[[agents]]").count(), text.matches("[[wallets]]").count()), (2, 3), "{text}");
    assert!(!text.contains("stranger") && text.contains("[[agent_keys]]"), "{text}");
    let file = folder.write("own.toml", &text.replace("frozen = true", "frozen = false"));
    let refused = run(&["apply", &file, "--api", &api, "--token", key.trim()]).await;
    assert!(refused.err.contains("may not do that: the operator froze it"), "{}", refused.err);
    say(&gateway, &format!("apply {file}")).await;
    let frozen = folder.write("frozen.toml", &text);
    assert_eq!(own(&["apply", &frozen]).await.trim(), "changed  wallet  lab (2)    /frozen");
    assert_eq!(own(&["apply", &file]).await.trim(), "changed  wallet  lab (2)    /frozen");
    assert_eq!(own(&["apply", &file]).await.trim(), "nothing changes");
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_exports_what_is_its_own() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = gateway(&upstream).await;
    let setup = SETUP.replace("headers = {", "headers = { \"x.y\" = \"z\",");
    say(&gateway, &format!("apply {}", folder.write("made.toml", &setup))).await;
    say(&gateway, "provider create --name rival --addresses http://127.0.0.1:7").await;
    say(&gateway, "route create --name others --provider rival --path /others --price $1").await;
    let key = say(&gateway, "api-key create --name m --role provider --provider maps --field key").await.out;
    let said = run(&["export", "--api", &gateway.control_url(), "--token", key.trim()]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("may not read it: wallets, agents, keys of the API.\n"), "{}", said.out);
    assert!(!said.out.contains("rival") && !said.out.contains("secret-of-maps"), "{}", said.out);
    let file = folder.write("own.toml", &said.out);
    assert_eq!(say(&gateway, &format!("apply {file}")).await.out.trim(), "nothing changes");
    let dearer = folder.write("dearer.toml", &said.out.replace("$0.01", "$0.02"));
    let changed = say(&gateway, &format!("apply {dearer}")).await.out;
    assert!(changed.contains("tiles") && changed.lines().count() == 1, "{changed}");
    gateway.finish().await;
}
