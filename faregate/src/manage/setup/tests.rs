use super::*;
use file::{Mistakes, Setup};
use value::{quoted, table};

const WHOLE: &str = r#"[[wallets]]
name = "lab"
alerts = ["$5.00", "10%"]
frozen = false
label = "lab (2)"
owner = "it's"

[[payout_destinations]]
provider = "acme"
rail = "ledger"
wallet = "lab (2)"

[[agents]]
name = "reader"
expires_at = "2099-01-01T00:00:00.000Z"
frozen = true
frozen_by_owner = true
limits = [{ amount = "$0.50", per = "hour", scope = "route:tiles" }]
per_day = "$1.00"
routes = []
signers = ["0x00000000000000000000000000000000000000AA"]
wallet = "lab (2)"

[[webhooks]]
url = "https://example.com/hook"
enabled = true
of_tenant = true
owner = "lab"
types = ["payout.paid"]

[[agent_keys]]
agent = "reader"
per_request = "$0.10"
scopes = ["route:tiles"]

[[api_keys]]
name = "books"
read_only = true
role = "admin"
scopes = ["payments:read"]

"#;

fn read(name: &str, text: &str) -> anyhow::Result<(Setup, Source)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    Source::read(&file.display().to_string())
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let (setup, _) = read("setup.toml", WHOLE).unwrap();
    let tables = [
        table("wallets", &setup.wallets[0]),
        table("payout_destinations", &setup.payout_destinations[0]),
        table("agents", &setup.agents[0]),
        table("webhooks", &setup.webhooks[0]),
        table("agent_keys", &setup.agent_keys[0]),
        table("api_keys", &setup.api_keys[0]),
    ];
    assert_eq!(tables.map(Result::unwrap).concat(), WHOLE);
}

#[test]
fn a_setup_in_json_is_the_same() {
    let wallets = json!([{ "name": "lab", "alerts": ["$5"] }]);
    let (setup, _) = read("setup.json", &json!({ "wallets": wallets }).to_string()).unwrap();
    let written = "[[wallets]]\nname = \"lab\"\nalerts = [\"$5.00\"]\n\n";
    assert_eq!(table("wallets", &setup.wallets[0]).unwrap(), written);
}

#[test]
fn an_end_may_stand_without_quotes_as_in_the_configuration_file() {
    let text = "[[agents]]\nname = \"x\"\nexpires_at = 2099-01-01T01:00:00+01:00\n";
    let (setup, _) = read("setup.toml", text).unwrap();
    let written = "[[agents]]\nname = \"x\"\nexpires_at = \"2099-01-01T00:00:00.000Z\"\n\n";
    assert_eq!(table("agents", &setup.agents[0]).unwrap(), written);
    let local = text.replace("+01:00", "");
    let error = format!("{:#}", read("setup.toml", &local).map(drop).unwrap_err());
    assert!(error.contains("RFC 3339") && error.contains("line 3"), "{error}");
}

#[test]
fn a_member_that_nothing_knows_is_refused_in_every_kind_of_thing() {
    let heads: Vec<(usize, &str)> = WHOLE.match_indices("]]\n").collect();
    assert_eq!(heads.len(), 6);
    for (at, _) in heads {
        let text = format!("{}]]\nbalance = 1\n{}", &WHOLE[..at], &WHOLE[at + 3..]);
        let line = WHOLE[..at].matches('\n').count() + 2;
        let error = format!("{:#}", read("setup.toml", &text).map(drop).unwrap_err());
        assert!(error.contains(&format!("line {line}, column 1")) && error.contains("balance"), "{error}");
    }
}

#[test]
fn mistakes_are_told_with_the_lines_that_they_are_in() {
    let text = "[[providers]]\nname = \"a\"\n[providers.upstream]\nheaders = { Key = \"x\", \"a/b\" = \"y\" }\n\n[[routes]]\n\n[[routes]]\nname = \"r\"\n";
    let (_, source) = read("setup.toml", text).unwrap();
    let mut mistakes = Mistakes::default();
    assert!(source.expect_none(&mistakes).is_ok());
    for place in [
        "/providers/0/upstream/headers/Key",
        "/providers/0/upstream/headers/a~1b",
        "/routes/0/path",
        "/routes/1",
    ] {
        mistakes.add(place, "first");
        mistakes.add(place, "second");
    }
    let told = source.expect_none(&mistakes).unwrap_err().to_string();
    let lines: Vec<&str> = told.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "line 4, /providers/0/upstream/headers/Key: first",
            "line 4, /providers/0/upstream/headers/a~1b: first",
            "line 6, /routes/0/path: first",
            "line 8, /routes/1: first",
        ]
    );
}

#[test]
fn a_word_of_a_command_is_read_by_a_shell_as_it_is() {
    let words = ["route:tiles", "$0.10", "it's", "", "a b"].map(quoted);
    assert_eq!(words, ["route:tiles", "'$0.10'", r"'it'\''s'", "''", "'a b'"]);
}
