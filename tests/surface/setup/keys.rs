//! Keys that a setup names and that are not there.

use tests::Upstream;

use super::{Folder, SETUP, gateway};
use crate::manage::say;

#[tokio::test(flavor = "multi_thread")]
async fn keys_to_be_made_again_are_told_with_the_names_of_their_agents_and_without_those_that_ended() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = gateway(&upstream).await;
    let key = "[[agent_keys]]\nagent = \"reader\"\nper_request = \"$0.10\"\n";
    // A rotation leaves two: the one that ends, and the one that takes its place.
    let text = format!("{SETUP}\n{key}\n{key}expires_at = \"2020-01-01T00:00:00Z\"\n");
    let file = folder.write("setup.toml", &text);
    for line in [format!("apply {file} --dry-run"), format!("apply {file}"), format!("apply {file}")] {
        let told = say(&gateway, &line).await.err;
        let commands: Vec<&str> = told.lines().filter(|line| line.starts_with("  ")).map(str::trim).collect();
        assert_eq!(commands, ["faregate key create reader --per-request '$0.10'"], "{told}");
    }
    say(&gateway, "key create reader --per-request $0.10").await;
    assert_eq!(say(&gateway, &format!("apply {file}")).await.err, "");
    gateway.finish().await;
}
