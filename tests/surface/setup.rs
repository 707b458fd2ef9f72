//! The whole setup as one file: exported, applied to another gateway, applied again, and refused where it cannot be.

mod keys;
mod stops;
mod tenants;

use tempfile::TempDir;
use tests::{Config, Faregate, Request, Route, Upstream, World};

use crate::manage::{json, say, try_say};

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

/// Files of one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file; its path.
    fn write(&self, name: &str, text: &str) -> String {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }
}

/// What `export` writes.
async fn export(gateway: &Faregate) -> String {
    say(gateway, "export").await.out
}

/// A gateway whose webhooks may lead into this host.
async fn gateway(upstream: &Upstream) -> Faregate {
    let config = Config::new(upstream.address(), [Route::new("/paid", "$0.001")]);
    Faregate::start(config.section("[webhooks]\nallow_private = true\nallow_http = true")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_setup_is_applied_exported_and_applied_again() {
    let world = World::paid().await;
    let gateway = &world.gateway;
    let folder = Folder::new();
    let write = |name: &str, text: &str| folder.write(name, text);
    let file = write("setup.toml", SETUP);
    let tried = say(gateway, &format!("apply {file} --dry-run")).await.out;
    let added = |kind: &str| tried.lines().any(|line| line.split_whitespace().take(2).eq(["added", kind]));
    assert!(added("provider") && added("route") && added("agent"), "{tried}");
    assert!(!say(gateway, "export").await.out.contains("maps"), "a trial changes nothing");
    assert_eq!(say(gateway, &format!("apply {file}")).await.out, tried);

    let exported = folder.0.path().join("exported.toml").display().to_string();
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
    let (folder, provider) = (Folder::new(), SETUP.split("[[routes]]").next().unwrap_or_default());
    let file = folder.write("large.toml", &format!("{provider}{routes}"));
    let applied = say(&world.gateway, &format!("apply {file}")).await;
    assert_eq!(applied.out.lines().count(), 2_001);
    assert_eq!(applied.err, "faregate: 2001 changes so far\n", "what takes long says how far it is");
    world.finish().await;
}

/// Two gateways with nothing but what their files bring, and the setup of the first as its people made it.
async fn made(gateway: &Faregate, upstream: &Upstream, folder: &Folder) {
    let setup = SETUP.replace("http://127.0.0.1:9", &format!("http://{}", upstream.address()));
    say(gateway, &format!("apply {}", folder.write("made.toml", &setup))).await;
    let lines = [
        "wallet create --name lab --owner lab",
        "wallet create --name lab --owner lab",
        "webhook create --url http://127.0.0.1:9/ops --types wallet.low_balance --types payout.paid",
        "webhook create --url http://127.0.0.1:9/all",
        "webhook create --url http://127.0.0.1:9/maps --provider maps",
        "webhook create --url http://127.0.0.1:9/maps --provider maps --of-tenant",
        "api-key create --name books --role admin --read-only",
        "api-key create --name maps --role provider --provider maps --scopes routes:read --scopes payments:read",
        "provider set-payout-destination acme --rail manual --reference IBAN-1",
    ];
    for line in lines {
        say(gateway, line).await;
    }
    let labs = json(gateway, "wallet list --owner lab").await;
    let labs = labs.as_array().unwrap().iter().filter(|wallet| wallet["name"] == "lab");
    let labs: Vec<&str> = labs.map(|wallet| wallet["id"].as_str().unwrap()).collect();
    let [newer, older] = labs[..] else { panic!("{labs:?}") };
    let reader = json(gateway, "agent list").await[0]["id"].as_str().unwrap().to_owned();
    let hooks = json(gateway, "webhook list").await;
    let all = hooks.as_array().unwrap().iter().find(|hook| hook["url"] == "http://127.0.0.1:9/all");
    for line in [
        format!("wallet alert {older} --amount $5"),
        format!("wallet alert {older} --percent 10"),
        format!("wallet freeze {newer}"),
        format!("wallet fund {older} --amount $7 --external-reference b"),
        format!("agent create --name second --owner lab --wallet {older} --per-request $0.05"),
        format!(
            "key create {reader} --per-request $0.02 --scopes route:tiles --expires-at 2099-01-01T00:00:00Z"
        ),
        format!("key create {reader}"),
        format!("provider set-payout-destination maps --rail ledger --wallet {newer}"),
        format!(
            "webhook update {} --body {}",
            all.unwrap()["id"].as_str().unwrap(),
            folder.write("off.json", "{\"enabled\": false}")
        ),
    ] {
        say(gateway, &line).await;
    }
}

/// The text without keys, which are not copied.
fn without_keys(text: &str) -> &str {
    text.split("# Keys cannot be copied").next().unwrap().trim()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_makes_another_gateway_the_same() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let (first, second) = (gateway(&upstream).await, gateway(&upstream).await);
    made(&first, &upstream, &folder).await;
    let text = export(&first).await;
    for said in [
        "label = \"lab (2)\"",
        "alerts = [\"$5.00\", \"10%\"]",
        "wallet = \"lab (2)\"",
        "reference = \"IBAN-1\"",
        "types = [\"payout.paid\", \"wallet.low_balance\"]",
        "enabled = false",
        "of_tenant = true",
        "[[agent_keys]]",
        "[[api_keys]]",
    ] {
        assert!(text.contains(said), "no {said} in\n{text}");
    }
    for secret in ["whsec_", "fg_", "fgm_", "secret-of-maps", "$7"] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
    let file = folder.write("first.toml", &text);
    let again = say(&first, &format!("apply {file} --dry-run")).await;
    assert_eq!((again.out.trim(), &*again.err), ("nothing changes", ""), "its own setup changes nothing");

    let refused = try_say(&second, &format!("apply {file}")).await;
    let line = 1 + text.lines().position(|line| line.contains("[secret]")).unwrap();
    let place = format!("line {line}, /providers/0/upstream/headers/Authorization: ");
    assert!(refused.code == Some(1) && refused.err.contains(&place), "{}", refused.err);
    assert!(!export(&second).await.contains("[[wallets]]"), "nothing was changed");

    let whole = folder.write("whole.toml", &text.replace("[secret]", "Bearer another"));
    let tried = say(&second, &format!("apply {whole} --dry-run")).await;
    let applied = say(&second, &format!("apply {whole}")).await;
    let secrets: Vec<&str> = applied.out.lines().filter(|line| line.contains("whsec_")).collect();
    assert_eq!(secrets.len(), 4, "each new secret is shown once: {}", applied.out);
    assert!(applied.out.ends_with(&*tried.out), "{}\n{}", tried.out, applied.out);
    assert_eq!(without_keys(&export(&second).await), without_keys(&text));

    let again = say(&second, &format!("apply {whole}")).await;
    assert_eq!(again.out.trim(), "nothing changes");
    assert_eq!(again.err, applied.err, "what is missing of keys is told again");
    let mut payer = String::new();
    for line in applied.err.lines().filter(|line| line.starts_with("  faregate ")) {
        let words = line.trim().trim_start_matches("faregate ").replace('\'', "");
        let shown = say(&second, &format!("{words} --field key")).await.out;
        if words.contains("route:tiles") {
            payer = shown.trim().to_owned();
        }
    }
    assert_eq!(export(&second).await, text, "with its keys made again it is the same");
    let again = say(&second, &format!("apply {whole}")).await;
    assert_eq!((again.out.trim(), &*again.err), ("nothing changes", ""));

    // And it works: the key that was made again pays from the agent's wallet, once money is in it.
    let wallets = json(&second, "wallet list").await;
    let reader = wallets.as_array().unwrap().iter().find(|wallet| wallet["name"] == "reader").unwrap();
    assert_eq!(reader["balance"]["amount"], "0", "money does not travel");
    let wallet = reader["id"].as_str().unwrap();
    say(&second, &format!("wallet fund {wallet} --amount $1 --external-reference b")).await;
    second.call(&Request::get("/tiles/1").key(&payer)).await.expect_status(200);
    assert_eq!(upstream.calls("/tiles/1")[0].header("authorization"), Some("Bearer another"));
    first.finish().await;
    second.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_changed_and_nothing_else() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = gateway(&upstream).await;
    made(&gateway, &upstream, &folder).await;
    let text = export(&gateway).await;
    let other = text
        .replace("alerts = [\"$5.00\", \"10%\"]", "alerts = [\"20%\", \"$5\"]")
        .replace("frozen = true", "frozen = false")
        .replace("enabled = false", "enabled = true")
        .replace("IBAN-1", "IBAN-2")
        .replace("types = [\"payout.paid\", \"wallet.low_balance\"]", "types = [\"payout.paid\"]");
    let file = folder.write("other.toml", &other);
    let changed = say(&gateway, &format!("apply {file}")).await.out;
    let rows: Vec<Vec<&str>> = changed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [
            vec!["changed", "wallet", "lab", "/alerts"],
            vec!["changed", "wallet", "lab", "(2)", "/frozen"],
            vec!["changed", "payout", "destination", "acme"],
            vec!["changed", "webhook", "http://127.0.0.1:9/all", "/enabled"],
            vec!["changed", "webhook", "http://127.0.0.1:9/ops", "/types"],
        ]
    );
    let in_force = other.replace("[\"20%\", \"$5\"]", "[\"$5.00\", \"20%\"]").replace("IBAN-2", "IBAN-1");
    assert_eq!(export(&gateway).await, in_force, "a destination that waits does not travel past its delay");
    let waiting = json(&gateway, "provider payout-destination acme").await;
    assert_eq!(
        (&waiting["current"]["reference"], &waiting["pending"]["reference"]),
        (&"IBAN-1".into(), &"IBAN-2".into())
    );

    let without = other.split("[[webhooks]]").next().unwrap();
    let file = folder.write("without.toml", without);
    assert_eq!(
        say(&gateway, &format!("apply {file}")).await.out.trim(),
        "nothing changes",
        "what is not named stays"
    );
    let pruned = say(&gateway, &format!("apply {file} --prune")).await.out;
    assert_eq!(pruned.lines().filter(|line| line.starts_with("removed")).count(), 4, "{pruned}");
    assert_eq!(json(&gateway, "webhook list").await.as_array().unwrap().len(), 0);
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_applied_is_told_with_its_line_before_anything_is_changed() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = gateway(&upstream).await;
    let hook = "[[webhooks]]\nurl = \"http://127.0.0.1:9/made\"\n";
    say(&gateway, &format!("apply {}", folder.write("made.toml", &format!("{SETUP}\n{hook}")))).await;
    let before = export(&gateway).await;
    let agent =
        |lines: &str| format!("[[wallets]]\nname = \"new\"\n\n[[agents]]\nname = \"reader\"\n{lines}\n");
    let wrong = [
        ("[[agents]]\nname = \"x\"\nper_dya = \"$1\"\n".to_owned(), "line 3, column 1"),
        ("[[webhoks]]\nurl = \"http://127.0.0.1:9/\"\n".to_owned(), "line 1, column 3"),
        ("[[wallets]]\nname = \"x\"\nalerts = [\"101%\"]\n".to_owned(), "line 3"),
        ("[[agents]]\nname = \"x\"\nper_day = \"much\"\n".to_owned(), "line 3"),
        ("[[wallets]]\nname = \"x\"\n\n[[wallets]]\nname = \"x\"\n".to_owned(), "line 4, /wallets/1: "),
        (agent("wallet = \"none\""), "line 6, /agents/0/wallet: "),
        (agent("wallet = \"new\""), "line 6, /agents/0/wallet: "),
        (agent("owner = \"else\""), "line 6, /agents/0/owner: "),
        (
            "[[agents]]\nname = \"reader\"\n".to_owned(),
            "line 2, /agents/0/name: an agent of this name is the owner `lab`'s",
        ),
        (agent("expires_at = \"2020-01-01T00:00:00Z\""), "line 6, /agents/0/expires_at: "),
        (agent("[[agents]]\nname = \"reader\""), "line 7, /agents/1/name: "),
        (
            agent("[[payout_destinations]]\nprovider = \"x\"\nrail = \"manual\""),
            "line 7, /payout_destinations/0/provider: ",
        ),
        (agent("signers = [\"0x12\"]"), "line 6"),
        (agent("[[payout_destinations]]\nprovider = \"maps\"\nrail = \"post\""), "line 8"),
        (
            agent("[[payout_destinations]]\nprovider = \"maps\"\nrail = \"manual\"\nwallet = \"new\""),
            "line 6, /payout_destinations/0: ",
        ),
        (agent("[[agent_keys]]\nagent = \"x\"\nper_request = \"$1\""), "line 7, /agent_keys/0/agent: "),
        (
            agent("[[routes]]\nname = \"tiles\"\nprovider = \"maps\"\npaht = \"/x\""),
            "line 9, /routes/0/paht: ",
        ),
        (
            agent("[[webhooks]]\nurl = \"http://127.0.0.1:9/\"\ntypes = [\"wallet.empty\"]"),
            "line 8, /webhooks/0/types: no event is of the type `wallet.empty`",
        ),
        (
            agent(
                "[[webhooks]]\nurl = \"http://127.0.0.1:9/a\"\n[[webhooks]]\nurl = \"gopher://127.0.0.1/\"",
            ),
            "line 9, /webhooks/1/url: ",
        ),
        (
            agent("[[webhooks]]\nurl = \"http://127.0.0.1:9/made\"\ntypes = [\"wallet.empty\"]"),
            "line 8, /webhooks/0/types: ",
        ),
    ];
    for (number, (text, place)) in wrong.iter().enumerate() {
        let file = folder.write(&format!("wrong-{number}.toml"), text);
        for line in [format!("apply {file} --dry-run"), format!("apply {file}")] {
            let said = try_say(&gateway, &line).await;
            assert!(said.code == Some(1) && said.err.contains(place), "no {place}: {}\n{text}", said.err);
            assert!(said.out.is_empty(), "{}", said.out);
        }
    }
    let json = "{\n\"agents\": [{\"name\": \"x\",\n\"balance\": 5}]}";
    let said = try_say(&gateway, &format!("apply {}", folder.write("wrong.json", json))).await;
    assert!(said.code == Some(1) && said.err.contains("line 3 column 9"), "{}", said.err);
    assert_eq!(export(&gateway).await, before, "nothing was changed");
    gateway.finish().await;
}
