//! The command line: `check` finds what is wrong before it runs, `explain` says what would happen.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tests::process::{Said, run};
use tests::{Config, Database, Request, Route, World};

/// A mutation of a good file: what is replaced, by what.
const MUTATIONS: [(&str, &str); 25] = [
    ("name = \"acme\"", "name = \"\""),
    ("name = \"acme\"", "nam = \"acme\""),
    ("name = \"acme\"", "name = 5"),
    ("[[providers]]", "[[provider]]"),
    ("[[providers]]", "[[providers]"),
    ("[providers.upstream]", "[providers.upsteam]"),
    ("addresses = [\"http", "addresses = [\"gopher"),
    ("addresses = [", "addresses = \"x\" # ["),
    ("addresses = [", "adresses = ["),
    ("path = \"/one\"", "path = \"one\""),
    ("path = \"/one\"", "path = \"/one//\""),
    ("path = \"/one\"", "path = \"/two\""),
    ("path = \"/one\"", "path = \"/TWO\""),
    ("path = \"/one\"", "path = \"/{a\""),
    ("path = \"/one\"", "pat = \"/one\""),
    ("price = \"$0.001\"", "price = \"-1\""),
    ("price = \"$0.001\"", "price = \"$0.0000001\""),
    ("price = \"$0.001\"", "price = 0.001"),
    ("price = \"$0.001\"", "price = \"cheap\""),
    ("price = \"$0.001\"", "price = [{ from = 5, price = \"$1\" }]"),
    ("name = \"one\"", "name = \"two\""),
    ("[control]", "[controll]"),
    ("[data]", "[dta]"),
    ("control = \"127", "control = \"427"),
    ("http2 = true", "http2 = \"yes\""),
];

#[tokio::test(flavor = "multi_thread")]
async fn h2_check_refuses_a_hundred_mutations_with_line_and_key() {
    let world = World::new("$1", [Route::new("/one", "$0.001"), Route::new("/two", "$0.001")]).await;
    let good = world.gateway.config_text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faregate.toml");
    assert_eq!(check(&file, &good).await.code, Some(0));
    let mut mutants: Vec<String> = MUTATIONS
        .iter()
        .map(|(from, to)| good.replacen(from, to, 1))
        .inspect(|text| assert_ne!(*text, good))
        .collect();
    let lines: Vec<&str> = good.lines().collect();
    // An unknown key after each line, each line cut in its middle, each value of another type: as far as a hundred goes.
    for index in 0..lines.len() {
        let mut with_unknown = lines.clone();
        with_unknown.insert(index + 1, "unheard_of = 1");
        mutants.push(with_unknown.join("\n"));
        let Some((key, _)) = lines[index].split_once(" = ") else { continue };
        for value in ["", "1979-05-27", "[[1.5]]"] {
            let mut changed = lines.clone();
            let line = format!("{key} = {value}");
            changed[index] = &line;
            mutants.push(changed.join("\n"));
        }
    }
    mutants.truncate(100);
    assert_eq!(mutants.len(), 100);
    for text in &mutants {
        let said = check(&file, text).await;
        assert_eq!(said.code, Some(1), "accepted, or ended otherwise:\n{text}\n{}{}", said.out, said.err);
        let place = format!("{}:", file.display());
        assert!((said.out + &said.err).contains(&place), "no file and line for:\n{text}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_every_error_at_once_and_guesses_what_was_meant() {
    let world = World::paid().await;
    let good = world.gateway.config_text();
    let folder = tempfile::tempdir().unwrap();
    let text = good.replace("addresses", "adresses").replace("\"$0.001\"", "\"cheap\"");
    let said = check(&folder.path().join("faregate.toml"), &text).await;
    let all = said.out + &said.err;
    assert_eq!(said.code, Some(1));
    assert!(all.contains("addresses"), "did you mean: {all}");
    assert!(all.contains("price"), "both errors: {all}");
    let own = run(&["check", "-c", &world.gateway.config_path().display().to_string(), "-o", "json"]).await;
    assert_eq!(own.code, Some(0), "{}{}", own.out, own.err);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_the_canonical_path_the_route_and_the_price() {
    let world = World::paid().await;
    let config = world.gateway.config_path().display().to_string();
    let url = format!("{}/p%61id?x=1", world.gateway.url());
    let said = run(&["explain", "GET", &url, "-c", &config, "-o", "json"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let explained: Value = serde_json::from_str(&said.out).expect("JSON");
    let text = explained.to_string();
    for part in ["/paid", "$0.001", "acme"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pay_is_a_curl_that_pays_and_refuses_above_its_maximum() {
    let world = World::paid().await;
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), world.agent.payer.private_key()).unwrap();
    let key = key.path().display().to_string();
    let url = format!("{}/paid", world.gateway.url());
    let refused = run(&["pay", &url, "--key-file", &key, "--max", "$0.0009"]).await;
    assert_ne!(refused.code, Some(0), "{}{}", refused.out, refused.err);
    world.expect_balance(1_000_000).await;
    let paid = run(&["pay", &url, "--key-file", &key, "--max", "$0.001"]).await;
    assert_eq!(paid.code, Some(0), "{}{}", paid.out, paid.err);
    assert!(paid.out.contains("served"), "{}", paid.out);
    world.expect_balance(999_000).await;
    world.gateway.call(&Request::get("/paid")).await.expect_status(402);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c16_a_second_process_on_the_same_data_is_refused_with_the_owners_pid() {
    let world = World::paid().await;
    let config = world.gateway.config_text();
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<_> = (0..3).map(|_| tests::ports::Port::reserve()).collect();
    let mut text = config.clone();
    for (own, other) in world.gateway.addresses().iter().zip(&ports) {
        text = text.replace(&own.to_string(), &other.address().to_string());
    }
    let file = folder.path().join("faregate.toml");
    std::fs::write(&file, text).unwrap();
    let said = run(&["run", "-c", &file.display().to_string()]).await;
    assert_ne!(said.code, Some(0));
    let pid = world.gateway.pid().to_string();
    assert!((said.out.clone() + &said.err).contains(&pid), "the owner {pid} in: {}{}", said.out, said.err);
    world.gateway.challenge("/paid").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_open_data_directory_the_files_are_closed_and_the_directory_is_warned_of() {
    let mut world = World::with("$1", |upstream| {
        Config::new(upstream, [Route::new("/paid", "$0.001")]).on(Database::Sqlite)
    })
    .await;
    world.gateway.terminate().await;
    let (directory, file) = (world.gateway.data_directory(), world.gateway.config_path());
    let warning = format!("{} is open to every user", directory.display());
    let file = file.display().to_string();
    assert!(!run(&["check", "-c", &file]).await.out.contains(&warning), "made by the process itself");
    assert!(!world.gateway.log().contains(&warning));
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
    world.gateway.restart().await;
    world.gateway.logged(&warning).await;
    let said = run(&["check", "-c", &file]).await;
    assert!(
        said.code == Some(0) && said.out.contains(&format!("warning: data.directory: {warning}")),
        "{}",
        said.out
    );
    for made in std::fs::read_dir(&directory).unwrap() {
        let made = made.unwrap();
        let mode = made.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", made.path().display());
    }
    world.finish().await;
}

async fn check(file: &Path, text: &str) -> Said {
    std::fs::write(file, text).unwrap();
    run(&["check", "-c", &file.display().to_string()]).await
}
