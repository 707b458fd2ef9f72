//! The management API on the command line: what people type, and what they read.

mod changes;

use serde_json::Value;
use tests::process::{Said, run};
use tests::wait::until;
use tests::{Faregate, Request, World};

/// A command that calls the gateway's management API; fails the test where it fails.
async fn say(gateway: &Faregate, line: &str) -> Said {
    let said = try_say(gateway, line).await;
    assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
    said
}

async fn try_say(gateway: &Faregate, line: &str) -> Said {
    let api = gateway.control_url();
    let mut words: Vec<&str> = line.split(' ').collect();
    words.extend(["--api", &*api, "--token", gateway.admin_token()]);
    run(&words).await
}

async fn json(gateway: &Faregate, line: &str) -> Value {
    let said = say(gateway, &format!("{line} -o json")).await;
    assert_eq!(said.out.lines().count(), 1, "one line: {}", said.out);
    serde_json::from_str(&said.out).expect("JSON")
}

/// Ids of a list, in order.
fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_exported_and_refunded_on_the_command_line() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    for _ in 0..3 {
        world.buy(&Request::get("/paid")).await.expect_status(200);
    }
    let all = json(gateway, "payment list").await;
    let ids = ids(&all);
    assert_eq!(ids.len(), 3);
    let table = say(gateway, "payment list").await.out;
    assert!(table.starts_with("ID  "), "{table}");
    let first: Vec<&str> = table.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(first, ids);
    let page = say(gateway, "payment list --limit 2").await;
    assert_eq!(page.out.lines().count(), 3, "{}", page.out);
    let after = page.err.trim().trim_end_matches(')').rsplit_once("--after ").expect("where it goes on").1;
    let rest = json(gateway, &format!("payment list --after {after}")).await;
    assert_eq!((rest.as_array().unwrap().len(), &rest[0]["id"]), (1, &Value::from(ids[2])));
    assert_eq!(json(gateway, "payment list --limit 1").await[0]["id"], *ids[0]);
    assert_eq!(say(gateway, "payment list --all").await.out.lines().count(), 4);

    let csv = say(gateway, "payment export").await;
    assert_eq!(csv.err, "", "what is short is exported without a word");
    let exported: Vec<&str> = csv.out.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(exported, ["id", ids[0], ids[1], ids[2]]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payments.csv");
    let said = say(gateway, &format!("payment list --csv --file {}", file.display())).await;
    assert_eq!((&*said.out, std::fs::read_to_string(&file).unwrap()), ("", csv.out));
    assert!(said.err.contains("4 lines"), "{}", said.err);
    for format in ["", " -o json", " --field id"] {
        let printed = say(gateway, &format!("payment list{format}")).await.out;
        let said = say(gateway, &format!("payment list{format} --file {}", file.display())).await;
        assert_eq!((&*said.out, std::fs::read_to_string(&file).unwrap()), ("", printed), "{format}");
    }

    let refund = format!("payment refund {} --amount $0.0004 --idempotency-key k", ids[1]);
    let tried = try_say(gateway, &format!("{refund} --dry-run")).await;
    assert_eq!((tried.code, &*tried.out), (Some(1), ""), "{}", tried.err);
    assert!(tried.err.contains("this call cannot be tried; nothing was sent"), "{}", tried.err);
    let call = format!("POST /v1/payments/{}/refund", ids[1]);
    assert!(tried.err.contains(&call), "{}", tried.err);
    for _ in 0..2 {
        assert_eq!(json(gateway, &refund).await["remains"]["display"], "$0.0006");
    }
    let over = try_say(gateway, &format!("payment refund {} --amount $0.0007", ids[1])).await;
    assert!(over.code == Some(1) && over.err.contains("409 conflict"), "{}", over.err);
    let parts = json(gateway, "payment list --state partly_refunded").await;
    assert_eq!((parts.as_array().unwrap().len(), &parts[0]["id"]), (1, &Value::from(ids[1])));
    let timeline = say(gateway, &format!("payment timeline {}", ids[1])).await.out;
    let words: Vec<&str> =
        timeline.lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(words, ["held", "captured", "refunded"]);
    let told = until("the event of the refund", || async {
        let events = json(gateway, "event list").await;
        let of_refunds = |event: &&Value| event["type"] == "payment.refunded";
        let told = events.as_array().unwrap().iter().filter(of_refunds).count();
        (told > 0).then_some(told)
    });
    assert_eq!(told.await, 1, "one event, and one entry in the audit log");
    let noted = json(gateway, &format!("change list --subject-kind payment --subject {}", ids[1])).await;
    assert_eq!((noted.as_array().unwrap().len(), &noted[0]["action"]), (1, &"payment.refunded".into()));
    world.expect_balance(997_400).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_emptied_and_revenue_is_read_on_the_command_line() {
    let world = World::paid().await;
    let (gateway, wallet) = (&world.gateway, &world.agent.wallet);
    world.buy(&Request::get("/paid")).await.expect_status(200);
    let more =
        try_say(gateway, &format!("wallet withdraw {wallet} --amount $1 --external-reference b")).await;
    assert!(more.code == Some(1) && more.err.contains("409"), "{}", more.err);
    say(gateway, &format!("wallet withdraw {wallet} --amount $0.999 --external-reference b")).await;
    world.expect_balance(0).await;
    let moved = json(gateway, &format!("wallet transfers {wallet}")).await;
    let kinds: Vec<&str> =
        moved.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["withdrawal", "funding"]);

    let revenue = say(gateway, "provider revenue acme").await.out;
    assert!(revenue.starts_with("PAYMENTS  GROSS   FEE "), "{revenue}");
    let by_route = json(gateway, "provider revenue acme --by route").await;
    assert_eq!((&by_route[0]["payments"], &by_route[0]["gross"]["amount"]), (&1.into(), &"1000".into()));
    let top = json(gateway, "provider consumers acme").await;
    assert_eq!(top[0]["agent"], *world.agent.id);
    world.finish().await;
}

const SETUP: &str = "\
[[providers]]
name = \"maps\"
[providers.upstream]
addresses = [\"http://127.0.0.1:9\"]
headers = { Authorization = \"Bearer secret-of-maps\" }

[[routes]]
name = \"tiles\"
provider = \"maps\"
path = \"/tiles/{id}\"
price = \"$0.01\"

[[agents]]
name = \"reader\"
owner = \"lab\"
per_day = \"$1\"
limits = [{ scope = \"route:tiles\", per = \"hour\", amount = \"$0.50\" }]
routes = [\"tiles\"]
signers = [\"0x00000000000000000000000000000000000000aa\"]
";

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_setup_is_applied_exported_and_applied_again() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let file = write("setup.toml", SETUP);
    let tried = say(gateway, &format!("apply {file} --dry-run")).await.out;
    let added = |kind: &str| tried.lines().any(|line| line.split_whitespace().take(2).eq(["added", kind]));
    assert!(added("provider") && added("route") && added("agent"), "{tried}");
    assert!(!say(gateway, "export").await.out.contains("maps"), "a trial changes nothing");
    assert_eq!(say(gateway, &format!("apply {file}")).await.out, tried);

    let exported = folder.path().join("exported.toml").display().to_string();
    say(gateway, &format!("export --file {exported}")).await;
    let text = std::fs::read_to_string(&exported).unwrap();
    assert!(text.contains("name = \"tiles\"") && !text.contains("secret-of-maps"), "{text}");
    assert!(
        text.contains("per_day = \"$1.00\"") && text.contains("0x00000000000000000000000000000000000000"),
        "{text}"
    );
    assert_eq!(say(gateway, "export").await.out.trim(), text.trim());
    assert_eq!(say(gateway, &format!("apply {exported}")).await.out.trim(), "nothing changes");

    let dearer = write("dearer.toml", &text.replace("$0.01", "$0.02"));
    let changed = say(gateway, &format!("apply {dearer}")).await.out;
    assert!(changed.contains("$0.01 -> $0.02"), "{changed}");
    let strict = write("strict.toml", &text.replace("$1.00", "$0.75"));
    let changed = say(gateway, &format!("apply {strict}")).await.out;
    assert!(changed.contains("reader") && changed.contains("/policy"), "{changed}");
    assert_eq!(json(gateway, "agent list").await[0]["policy"]["per_day"]["display"], "$0.75");
    let wrong = try_say(gateway, &format!("apply {}", write("wrong.toml", "[[routes]]\nname = 5\n"))).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("/routes/0"), "{}", wrong.err);
    let pruned = say(gateway, &format!("apply {} --prune", write("empty.toml", ""))).await.out;
    let removed =
        |kind: &str| pruned.lines().any(|line| line.split_whitespace().take(2).eq(["removed", kind]));
    assert!(removed("provider") && removed("route") && !removed("agent"), "{pruned}");
    // What the file brought stays.
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_of_thousands_of_routes_is_applied_at_once() {
    let world = World::paid().await;
    let routes: String = (0..2_000)
        .map(|number| {
            format!("[[routes]]\nname = \"r{number}\"\nprovider = \"maps\"\npath = \"/r{number}\"\nprice = \"$0.01\"\n")
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.toml");
    let provider = SETUP.split("[[routes]]").next().unwrap_or_default();
    std::fs::write(&file, format!("{provider}{routes}")).unwrap();
    let applied = say(&world.gateway, &format!("apply {}", file.display())).await.out;
    assert_eq!(applied.lines().count(), 2_001);
    world.finish().await;
}
