//! What people change on the command line: emptied, switched off, proved, and looked at afterwards.

use super::{json, say, try_say};
use serde_json::{Value, json};
use tests::payer::Payer;
use tests::process::{Said, run};
use tests::{Script, World};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_taken_away_for_tiers_and_a_policy_keeps_what_is_not_named() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    say(gateway, "provider create --name maps --addresses http://127.0.0.1:9").await;
    say(gateway, "route create --name tiles --provider maps --path /tiles --methods GET,POST --price $0.01")
        .await;
    let tiers = "[{\"from\":1,\"price\":\"$0.02\"}]";
    say(gateway, &format!("route update tiles --price null --methods null --tiers {tiers}")).await;
    let route = json(gateway, "route show tiles").await;
    assert_eq!((&route["document"]["price"], &route["document"]["methods"]), (&Value::Null, &Value::Null));
    assert_eq!(route["document"]["tiers"][0]["price"], "$0.02");

    // An agent by its name.
    say(gateway, "agent create --name reader --owner lab --per-day $1 --per-hour $0.50 --routes tiles").await;
    let changed = json(gateway, "policy update reader --per-hour null --per-request $0.10").await;
    let display = |name: &str| changed[name]["display"].as_str().map(str::to_owned);
    assert_eq!((display("per_hour"), display("per_day")), (None, Some("$1.00".to_owned())));
    assert_eq!((display("per_request"), &changed["routes"]), (Some("$0.10".to_owned()), &json!(["tiles"])));
    let wrong = try_say(gateway, "policy update reader --per-day much --routes none").await;
    assert!(wrong.err.contains("/per_day") && wrong.err.contains("/routes"), "{}", wrong.err);
    assert_eq!(json(gateway, "policy show reader").await, changed);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_switched_off_and_its_change_is_found_among_the_events() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    let made =
        json(gateway, "webhook create --url https://1.1.1.1/hook --types agent.frozen,agent.thawed").await;
    let id = made["id"].as_str().unwrap();
    let off = json(gateway, &format!("webhook update {id} --enabled=false")).await;
    assert_eq!((&off["enabled"], &off["disabled_reason"]), (&json!(false), &json!("asked")));
    let told = json(gateway, &format!("event list --type webhook.updated --subject {id}")).await;
    assert_eq!((told.as_array().unwrap().len(), &told[0]["data"]["after"]["disabled"]), (1, &json!("asked")));
    let noted = json(gateway, &format!("change list --subject-kind webhook --subject {id}")).await;
    assert_eq!(noted[0]["action"], "webhook.updated");
    let cursor = told[0]["cursor"].as_str().unwrap();
    assert_eq!(
        json(gateway, &format!("event list --type webhook.updated --after {cursor}")).await,
        json!([])
    );
    let all = say(gateway, "event list --type webhook.updated --all").await.out;
    assert_eq!(all.lines().count(), 2, "{all}");
    let typo = try_say(gateway, "event list --type webhook.update").await;
    assert!(typo.code == Some(1) && typo.err.contains("no event is of the type"), "{}", typo.err);
    let on = json(gateway, &format!("webhook update {id} --enabled")).await;
    assert_eq!(on["enabled"], true);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_proves_the_address_of_a_key_and_pays_with_it() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    let owner = json(gateway, "api-key create --name lab --role owner --owner lab").await;
    let owner = owner["key"].as_str().unwrap();
    let api = gateway.control_url();
    let payer = Payer::random();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), payer.private_key()).unwrap();
    let key = key.path().display().to_string();
    let as_owner = async |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["--api", &*api, "--token", owner]);
        run(&words).await
    };
    let made = as_owner("agent create --name reader -o json").await;
    assert_eq!(made.code, Some(0), "{}", made.err);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let address = payer.address().to_checksum(None);
    let unproved = as_owner(&format!("signer add reader --address {address}")).await;
    assert!(unproved.err.contains("invalid_signature"), "{}", unproved.err);
    let proved = as_owner(&format!("signer prove reader --key-file {key}")).await;
    assert!(proved.code == Some(0) && proved.out.contains(&address), "{}{}", proved.out, proved.err);
    let foreign = as_owner(&format!("signer prove {} --key-file {key}", world.agent.id)).await;
    assert!(foreign.err.contains("404"), "{}", foreign.err);

    say(
        gateway,
        &format!("wallet fund {} --amount $1 --external-reference x", made["wallet"].as_str().unwrap()),
    )
    .await;
    let url = format!("{}/paid", gateway.url());
    let paid = run(&["pay", &url, "--key-file", &key]).await;
    assert_eq!(paid.code, Some(0), "{}", paid.err);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_sees_what_came_through_the_api_and_the_doctor_looks_where_the_file_says() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    let config = gateway.config_path().display().to_string();
    say(gateway, "provider create --name maps --addresses http://127.0.0.1:9").await;
    say(gateway, "route create --name tiles --provider maps --path /tiles/{id} --price $0.01").await;
    for (path, route) in [("/tiles/7", "tiles"), ("/paid", "paid")] {
        let said = run(&["explain", "GET", path, "-c", &config, "-o", "json"]).await;
        let explained: Value = serde_json::from_str(&said.out).expect("JSON");
        assert_eq!(explained["found"], true, "{route}: {explained}");
        assert_eq!(explained["not_seen"], Value::Null, "{explained}");
    }
    let examined = async || {
        let said = run(&["doctor", "-c", &config, "-o", "json"]).await;
        let report: Value = serde_json::from_str(&said.out).expect("JSON");
        let findings = report["findings"].as_array().expect("findings").iter();
        let wrong = findings.filter(|finding| finding["ok"] == false);
        (said.code, wrong.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(
        examined().await,
        (Some(0), vec!["upstream maps 127.0.0.1:9".to_owned()]),
        "told, and the provider's to mend"
    );
    say(gateway, "provider suspend maps").await;
    assert_eq!(examined().await, (Some(0), Vec::new()), "nothing is sent there");
    let good = gateway.config_text();
    gateway.overwrite(&good.replace("name = \"acme\"", "name = \"maps\""));
    gateway.signal(nix::sys::signal::Signal::SIGHUP);
    gateway.counted("faregate_reloads_total", &[("result", "failed")], 1).await;
    assert_eq!(examined().await.1, ["last reload"]);
    let said = run(&["check", "-c", &config]).await;
    let told = "there is already a provider `maps`, made through the API";
    assert!(said.code == Some(1) && said.out.contains(told), "{}{}", said.out, said.err);
    gateway.overwrite(&good);
    gateway.signal(nix::sys::signal::Signal::SIGHUP);
    gateway.counted("faregate_reloads_total", &[("result", "ok")], 1).await;
    assert_eq!(examined().await, (Some(0), Vec::new()));
    let said = run(&["check", "-c", &config]).await;
    assert!(said.code == Some(0) && !said.out.contains("not seen"), "{}{}", said.out, said.err);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_payment_was_voided_is_said_to_cost_nothing() {
    let world = World::paid().await;
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), world.agent.payer.private_key()).unwrap();
    let key = key.path().display().to_string();
    let url = format!("{}/paid", world.gateway.url());
    world.upstream.on("/paid", Script::reply(500, &[], "{\"error\":null}"));
    let said = run(&["pay", &url, "--key-file", &key]).await;
    assert!(said.code == Some(1) && said.err.contains("nothing was charged"), "{}", said.err);
    assert!(!said.err.contains("MAY HAVE BEEN"), "{}", said.err);
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

/// A command that calls the management API elsewhere.
async fn try_say_to(api: &str, world: &World, line: &str) -> Said {
    let line = format!("{line} --api {api} --token {}", world.gateway.admin_token());
    run(&line.split(' ').collect::<Vec<_>>()).await
}

/// Between the command line and a control listener: the first answer is lost on the way, and the others arrive.
async fn losing_an_answer(control: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut is_lost = false;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(control.trim_start_matches("http://")).await.unwrap();
            if is_lost {
                tokio::io::copy_bidirectional(&mut client, &mut server).await.unwrap();
                continue;
            }
            let (mut answering, mut asking) = server.split();
            let mut first = [0; 1];
            tokio::select! {
                _ = tokio::io::copy(&mut client, &mut asking) => panic!("the command left"),
                read = answering.read(&mut first) => assert_eq!(read.unwrap(), 1),
            }
            is_lost = true;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_funded_once_though_the_first_answer_is_lost_and_the_name_to_repeat_it_under_is_told() {
    let world = World::paid().await;
    let api = losing_an_answer(world.gateway.control_url()).await;
    let fund = format!("wallet fund {} --amount $1 --external-reference invoice", world.agent.wallet);
    let lost = try_say_to(&api, &world, &fund).await;
    assert_eq!((lost.code, &*lost.out), (Some(1), ""), "{}", lost.err);
    assert!(lost.err.contains("IT MAY HAVE BEEN DONE") && !lost.err.contains("reached"), "{}", lost.err);
    let key = lost.err.split("--idempotency-key ").nth(1).and_then(|rest| rest.split('`').next());
    let again = format!("{fund} --idempotency-key {}", key.expect("its name"));
    let told = try_say_to(&api, &world, &again).await;
    assert_eq!(told.code, Some(0), "{}", told.err);
    world.expect_balance(2_000_000).await;

    // One that failed may have done it before; one that refused, or says by its code that nothing was done, did not, and whoever
    // was not reached neither.
    let path = format!("/v1/wallets/{}/fund", world.agent.wallet);
    let answers = [(504, "x"), (503, "outcome_unknown"), (503, "ledger_unavailable"), (409, "x")];
    world
        .upstream
        .on_each(&path, answers.map(|(status, code)| Script::json(status, &json!({ "code": code }))));
    let elsewhere = format!("http://{}", world.upstream.address());
    let unsure = [true, true, false, false].map(|may_be_done| (&*elsewhere, may_be_done));
    for (api, may_be_done) in unsure.into_iter().chain([("http://127.0.0.1:9", false)]) {
        let said = try_say_to(api, &world, &format!("{fund} --idempotency-key mine")).await;
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert_eq!(said.err.contains("--idempotency-key mine"), may_be_done, "{}", said.err);
    }
    world.finish().await;
}
