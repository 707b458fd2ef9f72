//! The management API on the command line: what people type, and what they read.

mod changes;

use serde_json::Value;
use tests::process::{Said, run};
use tests::wait::until;
use tests::{Faregate, Request, World};

/// A command that calls the gateway's management API; fails the test where it fails.
pub(crate) async fn say(gateway: &Faregate, line: &str) -> Said {
    let said = try_say(gateway, line).await;
    assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
    said
}

pub(crate) async fn try_say(gateway: &Faregate, line: &str) -> Said {
    let api = gateway.control_url();
    let mut words: Vec<&str> = line.split(' ').collect();
    words.extend(["--api", &*api, "--token", gateway.admin_token()]);
    run(&words).await
}

pub(crate) async fn json(gateway: &Faregate, line: &str) -> Value {
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
    assert!(tried.code == Some(0) && tried.out.contains("$0.0006"), "{} {}", tried.out, tried.err);
    assert!(tried.err.contains("nothing was changed"), "{}", tried.err);
    assert_eq!(json(gateway, "payment list --state partly_refunded").await, Value::Array(Vec::new()));
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
