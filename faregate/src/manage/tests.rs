//! Command lines of the management API, as calls.

use std::collections::HashSet;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn input(line: &str) -> Input {
    read(line).unwrap()
}

fn read(line: &str) -> anyhow::Result<Input> {
    let matches = crate::cli::command().try_get_matches_from(line.split(' ')).unwrap();
    let (noun, rest) = matches.subcommand().unwrap();
    let (verb, rest) = rest.subcommand().unwrap();
    let operations = operation::all();
    let wanted = operations.iter().find(|operation| operation.noun == noun && operation.verb == verb);
    Input::read(wanted.unwrap(), rest)
}

#[test]
fn the_command_line_is_consistent_with_the_calls_of_the_api() {
    crate::cli::command().debug_assert();
}

#[test]
fn every_call_of_the_api_is_a_command_of_its_own() {
    let document = serde_json::to_value(control_plane::control::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let calls: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
    let names: HashSet<String> =
        operation::all().into_iter().map(|operation| operation.noun + " " + &operation.verb).collect();
    assert_eq!(names.len(), calls, "an operation has no operation_id `noun.verb`, or shares it: {names:?}");
}

#[test]
fn arguments_stand_in_the_path_and_flags_in_the_body() {
    let call = input("faregate wallet fund wal_1/x --amount $5 --external-reference a&b --idempotency-key k");
    assert_eq!(call.path_and_query(), "/v1/wallets/wal_1%2Fx/fund");
    assert_eq!(call.body, Some(json!({ "amount": "$5", "external_reference": "a&b" })));
    assert_eq!(call.idempotency_key.as_deref(), Some("k"));
    let call = input("faregate agent create --name x --per-day $1 --routes a --routes b");
    let policy = json!({ "per_day": "$1", "routes": ["a", "b"] });
    assert_eq!(call.body, Some(json!({ "name": "x", "policy": policy })));
    assert!(call.idempotency_key.unwrap().starts_with("cli-"), "a change is named");
    let call = input("faregate wallet list --owner a&b --limit 5");
    assert_eq!(call.path_and_query(), "/v1/wallets?owner=a%26b&limit=5");
    assert_eq!(call.limit, Some(5));
}

#[test]
fn what_replaces_all_there_is_wants_to_be_told_with_what() {
    let refused = read("faregate policy set agt_1").unwrap_err().to_string();
    assert!(refused.contains("--body"), "{refused}");
    let refused = read("faregate policy set agt_1 --dry-run").unwrap_err().to_string();
    assert!(refused.contains("--body"), "{refused}");
    assert_eq!(input("faregate policy set agt_1 --per-day $1").body, Some(json!({ "per_day": "$1" })));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.json");
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(input(&format!("faregate policy set agt_1 --body {}", file.display())).body, Some(json!({})));
    assert_eq!(input("faregate policy update agt_1").body, Some(json!({})), "which changes nothing");
}

#[test]
fn an_answer_without_a_word_is_said_in_words() {
    let all = operation::all();
    let nothing = |noun: &str, verb: &str| {
        let found = all.iter().find(|call| (&*call.noun, &*call.verb) == (noun, verb)).unwrap();
        found.nothing()
    };
    assert_eq!((nothing("policy", "show"), nothing("key", "revoke")), ("no limits", "done"));
    assert_eq!(nothing("provider", "payout-destination"), "nothing is set");
}

#[test]
fn what_stands_in_a_path_says_where_it_is_found() {
    let all = operation::all();
    let about = |noun: &str, verb: &str| {
        let found = all.iter().find(|call| (&*call.noun, &*call.verb) == (noun, verb)).unwrap();
        found.arguments.iter().map(|argument| argument.about.clone()).collect::<Vec<_>>()
    };
    assert_eq!(about("key", "create"), ["The agent's id or name, as in `faregate agent list`"]);
    assert_eq!(
        about("key", "revoke"),
        ["The agent's id or name, as in `faregate agent list`", "The key's id, as in `faregate key list`"]
    );
    assert_eq!(about("route", "show"), ["The route's name, as in `faregate route list`"]);
    assert_eq!(about("webhook", "resend")[1], "The event, as in `faregate webhook deliveries`");
    for call in &all {
        for argument in &call.arguments {
            assert!(argument.about.ends_with('`'), "{} {}: {}", call.noun, call.verb, argument.about);
        }
        assert_eq!(call.arguments.len(), call.path.matches('{').count());
    }
}

#[test]
fn a_body_is_read_from_a_file_and_flags_stand_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, "name = \"x\"\n[policy]\nper_day = \"$1\"\n").unwrap();
    let call = input(&format!("faregate agent create --body {} --name y", file.display()));
    assert_eq!(call.body, Some(json!({ "name": "y", "policy": { "per_day": "$1" } })));
}

#[test]
fn all_that_must_be_there_is_missed_at_once() {
    let fund = refused("faregate wallet fund");
    for missing in ["<ID>", "--amount <TEXT>", "--external-reference <TEXT>"] {
        assert!(fund.contains(missing), "no {missing}: {fund}");
    }
    let preview = refused("faregate price preview");
    for missing in ["--payer <TEXT>", "--method <TEXT>", "--path <TEXT>"] {
        assert!(preview.contains(missing), "no {missing}: {preview}");
    }
    let provider = refused("faregate provider create");
    for missing in ["--name <TEXT>", "--addresses <TEXT>"] {
        assert!(provider.contains(missing), "no {missing}: {provider}");
    }
}

#[test]
fn all_that_a_body_lacks_is_missed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    let error = |line: &str, body: &str| {
        std::fs::write(&file, body).unwrap();
        let line = format!("faregate {line} --body {}", file.display());
        read(&line).unwrap_err().to_string()
    };
    let fund = error("wallet fund wal_1", "{}");
    assert_eq!(fund, "neither in the body nor as a flag: --amount, --external-reference");
    let provider = error("provider create --name x", "{\"upstream\": {}}");
    assert_eq!(provider, "neither in the body nor as a flag: --addresses");
}

/// What the command line says against a line that makes no sense.
fn refused(line: &str) -> String {
    match crate::cli::command().try_get_matches_from(line.split(' ')) {
        Ok(matches) => panic!("{line}: {matches:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_flag_takes_away_what_a_change_may_leave_out() {
    let call =
        input("faregate route update r --price null --free-per-day null --methods null --category null");
    let gone = json!({ "price": null, "free_per_day": null, "methods": null, "category": null });
    assert_eq!(call.body, Some(gone));
    let call = input("faregate provider update p --contact null --rate-limit null");
    assert_eq!(call.body, Some(json!({ "profile": { "contact": null }, "rate_limit": null })));
    let call = input("faregate policy update a --per-day null --routes null --per-hour $1");
    assert_eq!(call.body, Some(json!({ "per_day": null, "routes": null, "per_hour": "$1" })));
    assert_eq!(input("faregate webhook update w --types null").body, Some(json!({ "types": null })));
    // Where nothing is there yet, and where there must be one, it is a text like any other.
    assert_eq!(input("faregate agent create --name null").body.unwrap()["name"], "null");
    assert_eq!(input("faregate agent create --name x --owner null").body.unwrap()["owner"], "null");
    assert_eq!(input("faregate route update r --path null").body, Some(json!({ "path": "null" })));
    assert!(refused("faregate route create --free-per-day null").contains("write a whole number"));
}

#[test]
fn what_null_does_stands_in_the_help_where_it_does_it() {
    let help = |noun: &str, verb: &str| {
        let mut command = crate::cli::command();
        let noun = command.find_subcommand_mut(noun).unwrap();
        noun.find_subcommand_mut(verb).unwrap().render_help().to_string()
    };
    let route = help("route", "update");
    let line = |flag: &str| route.lines().find(|line| line.contains(flag)).unwrap_or_default();
    assert!(line("--price <").ends_with("null takes it away"), "{route}");
    assert!(line("--methods <").contains("repeat it for more, or write commas"), "{route}");
    assert!(!line("--path <").contains("null"), "{route}");
    assert!(!help("route", "create").contains("null takes"));
    assert!(help("policy", "set").contains("what is not given is not limited any more"));
    assert!(help("signer", "prove").starts_with("Let the address of a private key sign"));
    assert!(help("agent", "freeze").contains("never removed"));
    assert!(
        help("signer", "challenge").contains("cannot be tried")
            && !help("wallet", "fund").contains("cannot be tried")
    );
}

#[test]
fn a_groups_line_names_all_of_its_commands() {
    for command in crate::cli::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let Some(named) = about.strip_prefix("Over the management API: ") else { continue };
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(named, verbs.join(", "), "{}", command.get_name());
    }
    let signer = crate::cli::command().find_subcommand("signer").unwrap().get_about().unwrap().to_string();
    assert!(signer.contains("prove") && signer.contains("export"), "{signer}");
}

#[test]
fn a_provider_is_sent_to_another_server_by_the_flag_that_it_was_made_with() {
    let call = input(
        "faregate provider update p --addresses https://a,https://b --read-timeout 5s --base-path null",
    );
    let upstream =
        json!({ "addresses": ["https://a", "https://b"], "read_timeout": "5s", "base_path": null });
    assert_eq!(call.body, Some(json!({ "upstream": upstream })));
    assert_eq!(input("faregate provider update p --address 0xaa").body, Some(json!({ "address": "0xaa" })));
}

#[test]
fn what_keeps_money_from_being_moved_twice_stands_where_it_is_moved() {
    for verb in ["fund", "withdraw"] {
        let help = refused(&format!("faregate wallet {verb} --help"));
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = "only a call repeated under its own `Idempotency-Key` (on the command line `--idempotency-key`) moves the \
                    money once";
        assert!(words.contains(told), "{help}");
    }
}

#[test]
fn what_is_on_is_switched_off_by_a_flag() {
    let on = |line: &str| input(line).body.unwrap()["enabled"].clone();
    assert_eq!(on("faregate webhook update w --enabled"), true);
    assert_eq!(on("faregate webhook update w --enabled=false"), false);
    assert!(refused("faregate webhook update w --enabled=no").contains("write true or false"));
    assert!(refused("faregate webhook update w --enabled false").contains("unexpected argument 'false'"));
}

#[test]
fn several_values_are_repeated_or_stand_between_commas() {
    let call = input("faregate route update r --methods GET,HEAD --methods POST --charge-on 200,404");
    assert_eq!(call.body, Some(json!({ "methods": ["GET", "HEAD", "POST"], "charge_on": [200, 404] })));
    let line = "faregate webhook update w --types a,null";
    let matches = crate::cli::command().try_get_matches_from(line.split(' ')).unwrap();
    let (_, rest) = matches.subcommand().unwrap();
    let (_, rest) = rest.subcommand().unwrap();
    let operations = operation::all();
    let update = operations.iter().find(|known| known.noun == "webhook" && known.verb == "update").unwrap();
    let error = Input::read(update, rest).unwrap_err().to_string();
    assert!(error.contains("--types is either null or a list"), "{error}");
}

#[test]
fn a_list_is_filtered_and_begins_behind_a_cursor() {
    let call = input("faregate event list --type wallet.low_balance --subject w --after c --limit 5");
    assert_eq!(call.path_and_query(), "/v1/events?type=wallet.low_balance&subject=w&limit=5&after=c");
    let next = call.page(Some(7), Some("d"));
    assert_eq!(next.path_and_query(), "/v1/events?type=wallet.low_balance&subject=w&limit=7&after=d");
    assert_eq!(input("faregate event stream --after c").path_and_query(), "/v1/events/stream?after=c");
}

/// Code between backticks.
fn commands(document: &str) -> impl Iterator<Item = &str> {
    document.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("faregate "))
}

#[test]
fn every_call_that_the_documents_name_exists() {
    let all = operation::all();
    let mut named = 0;
    for document in [include_str!("../../../docs/operations.md"), include_str!("../../../README.md")] {
        for command in commands(document) {
            let mut words = command.split_whitespace();
            let (Some(noun), Some(verb)) = (words.next(), words.next()) else { continue };
            if all.iter().any(|call| call.noun == noun) && !verb.starts_with('-') {
                let exists = all.iter().any(|call| (&*call.noun, &*call.verb) == (noun, verb));
                assert!(exists, "there is no `faregate {noun} {verb}`");
                named += 1;
            }
        }
    }
    assert!(named >= 4, "the runbook of webhooks names some");
}

#[test]
fn a_question_that_is_answered_with_no_ends_with_no() {
    for (noun, verb, member) in JUDGED {
        assert!(
            operation::all().iter().any(|known| known.noun == noun && known.verb == verb),
            "{noun} {verb}"
        );
        assert_eq!(judged((noun, verb), &json!({ member: true })), Verdict::Yes, "{noun} {verb}");
        assert_eq!(judged((noun, verb), &json!({ member: false })), Verdict::No, "{noun} {verb}");
        assert_eq!(judged((noun, verb), &json!({})), Verdict::No, "{noun} {verb}");
    }
    assert_eq!(judged(("agent", "show"), &json!({ "whole": false })), Verdict::Yes);
}

/// Where each call but every third is one too many.
async fn busy(listener: TcpListener, after: &'static str) {
    let mut calls = 0;
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        calls += 1;
        let status = if calls % 3 == 0 { "200 OK" } else { "429 Too Many Requests" };
        let answer = format!(
            "HTTP/1.1 {status}\r\nRetry-After: {after}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_setup_that_is_applied_too_fast_waits_as_long_as_it_is_told_and_goes_on() {
    // As main does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (after, is_let_in) in [("0", true), ("86400", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = tokio::spawn(busy(listener, after));
        let token = Token { text: "t".to_owned(), from: "--token" };
        let api = Api { client: client::direct().unwrap(), url, token, is_patient: false };
        let call = Input::of(reqwest::Method::DELETE, "/v1/webhooks/x", Vec::new());
        let refused = api.text(&call).await.unwrap_err();
        assert!(Refusal::is(reqwest::StatusCode::TOO_MANY_REQUESTS, &refused), "{refused:#}");
        assert_eq!(api.patient().text(&call).await.is_ok(), is_let_in, "after {after} seconds");
        answering.abort();
    }
}
