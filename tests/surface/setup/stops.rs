//! What an apply does where it cannot go on.

use serde_json::Value;
use tests::process::run;
use tests::{Request, Upstream, World};

use super::{Folder, SETUP, export, gateway};
use crate::manage::{say, try_say};

const HOOK: &str = "[[webhooks]]\nurl = \"http://127.0.0.1:9/made\"\n";

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

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_away_and_still_owed_is_named_before_and_after_with_the_amount() {
    let world = World::paid().await;
    let (gateway, folder) = (&world.gateway, Folder::new());
    let upstream = world.upstream.address();
    say(gateway, &format!("provider create --name maps --addresses http://{upstream}")).await;
    say(gateway, "route create --name tiles --provider maps --path /tiles --price $0.01").await;
    world.buy(&Request::get("/tiles")).await.expect_status(200);
    let empty = folder.write("empty.toml", "");
    let tried = say(gateway, &format!("apply {empty} --prune --dry-run")).await;
    let told = "`maps` is taken away, and earned $0.01 that was not settled";
    assert!(tried.err.contains(told) && !tried.err.contains("is gone"), "{}", tried.err);
    let done = say(gateway, &format!("apply {empty} --prune -o json")).await;
    assert!(done.err.contains(told) && done.err.contains("`maps` is gone"), "{}", done.err);
    let object: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(object["owed_by_removed"], serde_json::json!([{ "provider": "maps", "owed": "$0.01" }]));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nothing_has_and_what_is_anothers_are_told_before_anything_is_changed() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = gateway(&upstream).await;
    say(&gateway, &format!("apply {}", folder.write("made.toml", &format!("{SETUP}\n{HOOK}")))).await;
    let before = export(&gateway).await;
    let agent = |line: &str| format!("[[agents]]\nname = \"x\"\n{line}\n");
    let hooks: String = (0..50).map(|number| HOOK.replace("made", &number.to_string())).collect();
    let wrong = [
        (agent("routes = [\"tiles\", \"none\"]"), "line 3, /agents/0/routes/1: there is no route `none`"),
        (agent("providers = [\"none\"]"), "line 3, /agents/0/providers/0: there is no provider `none`"),
        (
            agent("limits = [{ scope = \"category:none\", per = \"day\", amount = \"$1\" }]"),
            "line 3, /agents/0/limits/0/scope: there is no category `none`",
        ),
        (
            agent("signers = [\"0x00000000000000000000000000000000000000aa\"]"),
            "line 3, /agents/0/signers/0: already signs for the agent `reader`",
        ),
        (format!("{HOOK}provider = \"none\"\n"), "line 3, /webhooks/0/provider: there is no provider `none`"),
        (hooks, "line 99, /webhooks/49: 50 webhooks are all"),
    ];
    for (number, (text, place)) in wrong.iter().enumerate() {
        let file = folder.write(&format!("wrong-{number}.toml"), text);
        for line in [format!("apply {file} --dry-run"), format!("apply {file}")] {
            let said = try_say(&gateway, &line).await;
            assert!(said.code == Some(1) && said.err.contains(place), "no {place}: {}", said.err);
        }
    }
    assert_eq!(export(&gateway).await, before, "nothing was changed");
    gateway.finish().await;
}
