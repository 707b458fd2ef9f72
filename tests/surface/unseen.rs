//! What a stranger with half a set-up is told: a database that is not there, a process that serves one plane, a file with a mistake,
//! a token that opens nothing.

use serde_json::Value;
use tests::ports::Port;
use tests::process::{Said, run};
use tests::{Config, Faregate, Route, Several, Upstream, World};

const PROVIDER: &str = "[[providers]]\nname = \"acme\"\nupstream = { addresses = [\"http://127.0.0.1:9\"] }\n\
    [[providers.routes]]\nname = \"q\"\npath = \"/q\"\nprice = \"$0.5\"\n";

/// A file with this section, and what a command says of it.
async fn says(section: &str, command: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faregate.toml").display().to_string();
    std::fs::write(&file, format!("{section}\n{PROVIDER}")).unwrap();
    run(&[command, &["-c", &file]].concat()).await
}

#[tokio::test]
async fn a_database_that_is_away_is_named_with_what_was_not_checked_and_fails_the_check_only_where_one_is_asked_for()
 {
    let port = Port::reserve();
    let place = format!("the database `books` of PostgreSQL at {}", port.address());
    let section = format!("[data]\ndatabase = \"postgres://me:hunter2@{}/books\"", port.address());
    for (command, code, told) in [
        (
            &["check"][..],
            0,
            "not seen: routes, providers and agents of the management API, what providers earned, and what is open on",
        ),
        (&["check"], 0, "as far as can be told without its database)"),
        (&["check", "--require-database"], 1, "1 mistake"),
        (&["explain", "GET", "/q"], 0, "not seen     routes of the management API, because"),
        (&["run"], 1, "refused"),
        (&["audit"], 1, "cannot be reached"),
        (&["reconcile"], 1, "cannot be reached"),
    ] {
        let said = says(&section, command).await;
        let all = said.out + &said.err;
        assert_eq!(said.code, Some(code), "{command:?}: {all}");
        assert!(all.contains(told) && all.contains(&place), "{command:?}: {all}");
        assert!(!all.contains("hunter2"), "{command:?}: {all}");
    }
}

#[tokio::test]
async fn a_database_that_answers_and_lets_nobody_in_fails_the_check() {
    let url = test_postgres::fresh_database();
    let name = url["postgres:///".len()..].split('?').next().unwrap();
    let section = |url: &str| format!("[data]\ndatabase = \"{url}\"");
    let said = says(&section(&url), &["check"]).await;
    assert!(said.code == Some(0) && said.out.contains("there is no database yet"), "{}", said.out);
    let said = says(&section(&url.replacen(name, "not_there", 1)), &["check"]).await;
    assert!(said.code == Some(1) && said.out.contains("lets nobody in"), "{}", said.out);
}

#[tokio::test]
async fn before_the_first_start_and_from_another_folder_explain_says_that_there_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none").display().to_string();
    let section = format!("[data]\ndirectory = \"{none}\"");
    let told = format!("there is no database yet ({none})");
    for (command, code) in [(&["check"][..], 0), (&["explain", "GET", "/other"], 1)] {
        let said = says(&section, command).await;
        assert!(said.code == Some(code) && said.out.contains(&told), "{}{}", said.out, said.err);
    }
    let mistaken = says(&format!("{section}\nnonsense = 1"), &["check"]).await;
    assert!(mistaken.out.contains("they are looked at once the file has no mistake"), "{}", mistaken.out);
    assert!(mistaken.out.ends_with("1 mistake\n"), "{}", mistaken.out);
}

/// What the doctor finds wrong, and what it did not look at.
async fn doctor(arguments: &[&str]) -> (Option<i32>, Vec<String>, Vec<String>) {
    let said = run(&[&["doctor", "-o", "json"], arguments].concat()).await;
    let report: Value =
        serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.err));
    let named = |is_meant: fn(&Value) -> bool| {
        let findings = report["findings"].as_array().unwrap().iter().filter(|finding| is_meant(finding));
        findings.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    (said.code, named(|finding| finding["ok"] == false), named(|finding| finding["passed_over"].is_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_what_a_process_serves_and_the_log_names_its_listeners_alone() {
    let several = Several::new(1, "$1", [Route::new("/paid", "$0.001")]).await;
    let gateway = &several.gateways[0];
    let file = gateway.config_path().display().to_string();
    let passed = vec!["management API".to_owned()];
    assert_eq!(doctor(&["-c", &file]).await, (Some(0), Vec::new(), passed));
    let control = several.control.control_url();
    let token = several.control.admin_token();
    let both = doctor(&["-c", &file, "--url", &control, "--token", token]).await;
    assert_eq!(both, (Some(0), Vec::new(), Vec::new()), "the control plane's, where it is named");
    let serving = |process: &Faregate| {
        let log = process.log();
        log.lines().find(|line| line.contains("listen.ops")).expect("what it serves").to_owned()
    };
    let line = serving(gateway);
    assert!(line.contains("listen.data") && !line.contains("listen.control"), "{line}");
    let line = serving(&several.control);
    assert!(!line.contains("listen.data") && line.contains("listen.control"), "{line}");
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_file_hides_neither_its_listeners_nor_its_token_from_the_doctor() {
    let world = World::paid().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faregate.toml").display().to_string();
    std::fs::write(&file, world.gateway.config_text().replace("name = \"acme\"", "nam = \"acme\"")).unwrap();
    let (code, wrong, passed) = doctor(&["-c", &file]).await;
    assert_eq!((code, wrong, passed), (Some(1), vec!["configuration".to_owned()], Vec::new()));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_opens_nothing_is_named_by_where_it_was_found() {
    let upstream = Upstream::start().await;
    let gateway = Faregate::start(Config::new(upstream.address(), [Route::new("/paid", "$0.001")])).await;
    let api = gateway.control_url();
    let wrong = "--token wrong-token-0123456789";
    for line in [
        format!("agent list --api {api} {wrong}"),
        format!("agent export --api {api} {wrong}"),
        format!("audit --url {api} {wrong}"),
        format!("doctor --url {api} {wrong}"),
    ] {
        let said = run(&line.split(' ').collect::<Vec<_>>()).await;
        let all = said.out + &said.err;
        assert!(
            said.code == Some(1) && all.contains("what was shown is the token of --token"),
            "{line}: {all}"
        );
    }
    gateway.finish().await;
}
