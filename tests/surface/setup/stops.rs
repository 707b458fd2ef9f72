//! What an apply does where it cannot go on.

use serde_json::Value;
use tests::World;
use tests::process::run;

use super::Folder;
use crate::manage::say;

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_stops_says_what_was_done_and_goes_on_from_there() {
    let world = World::paid().await;
    let (gateway, folder) = (&world.gateway, Folder::new());
    say(gateway, "agent create --name taken").await;
    let agents = |second: &str| {
        ["a", second, "c"].map(|name| format!("[[agents]]\nname = \"{name}\"\nowner = \"lab\"\n\n")).concat()
    };
    // What is a stranger's an owner's key does not see before.
    let key = say(gateway, "api-key create --name lab --role owner --owner lab --field key").await.out;
    let api = gateway.control_url();
    let apply = async |file: &str, format: &str| {
        run(&["apply", file, "--api", &api, "--token", key.trim(), "-o", format]).await
    };
    let stops = apply(&folder.write("stops.toml", &agents("taken")), "text").await;
    assert_eq!((stops.code, stops.out.trim()), (Some(1), "added  agent  a"), "{}", stops.err);
    for told in [
        "stopped at agent taken",
        "Done: 1 of 3 changes",
        "Not done: agent taken, agent c",
        "already an agent",
    ] {
        assert!(stops.err.contains(told), "no `{told}`: {}", stops.err);
    }
    let file = folder.write("goes-on.toml", &agents("b"));
    let goes_on = apply(&file, "text").await.out;
    let rows: Vec<Vec<&str>> = goes_on.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [vec!["added", "agent", "b"], vec!["added", "agent", "c"]]);
    assert_eq!(apply(&file, "text").await.out.trim(), "nothing changes");
    let stops = agents("taken").replace("\"c\"", "\"d\"");
    let said = apply(&folder.write("stops.toml", &stops), "json").await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert!(said.code == Some(1) && told["error"].as_str().unwrap().contains("already an agent"), "{told}");
    assert_eq!(
        (told["changes"].as_array().unwrap().len(), told["not_done"].as_array().unwrap().len()),
        (0, 2)
    );
    world.finish().await;
}
