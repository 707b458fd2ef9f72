//! The file as a whole: the documented one is true, good ones are read right, bad ones are told well.

mod capture;
mod database;
mod examples;
mod foreign;
mod hints;
mod limits;
mod lists;
mod metered;
mod mutations;
mod networks;
mod restart;

use std::fs;
use std::time::Duration;

use domain::Price;
use domain::catalog::Retry;

use super::*;

const DOCUMENTED: &str = include_str!("../../../configs/faregate.toml");

/// The smallest file that serves something; what follows lands in the route.
const SMALL: &str = r#"
[[providers]]
name = "acme"
[providers.upstream]
addresses = ["http://127.0.0.1:9000"]
[[providers.routes]]
name = "a"
path = "/a"
price = "$0.01"
"#;

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    Config::parse(Path::new("faregate.toml"), text, &Environment::default())
}

fn parse_with(text: &str, pairs: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    Config::parse(Path::new("faregate.toml"), text, &Environment::from_pairs(pairs.iter().copied()))
}

/// Every error as `line: key: message`.
fn errors(text: &str) -> Vec<String> {
    told(&parse(text).expect_err("the text is wrong"))
}

fn told(errors: &ConfigErrors) -> Vec<String> {
    let line = |error: &ConfigError| error.line().map_or_else(|| "env".to_owned(), |line| line.to_string());
    errors.iter().map(|error| format!("{}: {}: {}", line(error), error.key, error.message)).collect()
}

/// The documented file with every default written out.
fn with_defaults_written_out() -> String {
    let key = |line: &str| line.chars().nth(1).is_some_and(|first| first.is_ascii_lowercase());
    let lines =
        DOCUMENTED.lines().map(|line| if line.starts_with('#') && key(line) { &line[1..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_file_loads_and_its_defaults_are_the_ones_in_force() {
    let mut plain = parse(DOCUMENTED).unwrap();
    let mut written = parse(&with_defaults_written_out()).unwrap_or_else(|errors| panic!("{errors}"));
    plain.config.catalog.forget_sources();
    written.config.catalog.forget_sources();
    assert_ne!(plain.text_hash, written.text_hash);
    assert_eq!(format!("{:?}", plain.config), format!("{:?}", written.config));
    assert_eq!(plain.config.limits, Limits::default());
    assert_eq!(plain.config.listeners, Listeners::default());
    assert_eq!(plain.config.shutdown, ShutdownSettings::default());
    assert!(plain.warnings.is_empty());
}

#[test]
fn the_documented_file_names_every_key_there_is() {
    let unknown = "zzzzzzzzzzzzzzzzzzzz = 1\n";
    let places = [
        ("", ""),
        ("[data]\n", ""),
        ("[listen]\n", ""),
        ("[limits]\n", ""),
        ("[shutdown]\n", ""),
        ("[wallet]\n", ""),
        ("[[networks]]\n", ""),
        ("[[networks]]\n[[networks.tokens]]\n", ""),
        ("[[networks]]\n[[networks.facilitators]]\n", ""),
        ("[[networks]]\n[[networks.facilitators]]\n[networks.facilitators.settle]\n", ""),
        ("[[networks]]\nsettler = \"evm\"\n[networks.evm]\n", ""),
        ("[control]\n", ""),
        ("[settlement]\n", ""),
        ("[deposits]\n", ""),
        ("[[providers]]\n[providers.settlement]\n", ""),
        ("[[listen.data]]\n", ""),
        ("[[listen.data]]\n[listen.data.tls]\n", ""),
        ("[[providers]]\n", ""),
        ("[[providers]]\n[providers.upstream]\n", ""),
        ("[[providers]]\n[providers.upstream.health]\n", ""),
        ("[[providers]]\n[[providers.routes]]\n", ""),
        ("[[providers]]\n[[providers.routes]]\n[[providers.routes.tiers]]\n", ""),
        ("[[providers]]\n[[providers.routes]]\n[providers.routes.metered]\n", ""),
        ("[[providers]]\n[[providers.routes]]\n[[providers.routes.metered.units]]\n", ""),
        ("[[providers]]\n[providers.rate_limit]\n", ""),
        ("[[agents]]\n", ""),
        ("[[agents]]\n[[agents.keys]]\n", ""),
        ("[[agents]]\n[[agents.limits]]\n", ""),
    ];
    for (header, after) in places {
        let told = errors(&format!("{header}{unknown}{after}"));
        let known =
            told.iter().find_map(|error| error.split_once("known here: ")).expect("the keys are listed").1;
        for key in known.split(", ") {
            let written = [format!("{key} ="), format!("[{key}]"), format!(".{key}]"), format!("[[{key}]]")];
            assert!(
                written.iter().any(|form| DOCUMENTED.contains(form)),
                "`{key}` of {header:?} is not documented"
            );
        }
    }
}

#[test]
fn a_small_file_gets_every_default() {
    let config = parse(SMALL).unwrap().config;
    let provider = &config.catalog.providers[0];
    assert_eq!(provider.pay_to, crate::catalog::derived_pay_to("acme"));
    assert_eq!(provider.upstream.timeouts.connect, Duration::from_secs(2));
    let route = &config.catalog.routes[0];
    assert_eq!((route.retry, route.request_bytes_max), (Retry::Never, 10 << 20));
    assert_eq!(route.price.maximum().unwrap().to_string(), "$0.01");
    assert_eq!(parse("").unwrap().warnings.len(), 1);
}

#[test]
fn every_mistake_is_told_in_one_run_with_its_line_and_what_to_do() {
    let text = r#"
publik_url = "x"
[limits]
conections_max = 5
header_bytes_max = "32KB"
[[providers]]
name = "acme"
fee = 2.5
[providers.upstream]
addresses = ["https://api.example.com/v1"]
conect_timeout = "2s"
read_timeout = "2 seconds"
[[providers.routes]]
name = "a"
path = "/a/{id}x"
price = 0.0025
[[providers.routes]]
name = "a"
path = "/b"
prise = "$1"
"#;
    let told = errors(text);
    let expect = [
        "2: publik_url: unknown key, did you mean `public_url`?",
        "4: limits.conections_max: unknown key, did you mean `connections_max`?",
        "5: limits.header_bytes_max: `32KB` is not a size",
        "8: providers[0].fee: must be a string in quotes with its unit, such as \"2.5%\"",
        "10: providers[0].upstream.addresses[0]: holds a path",
        "11: providers[0].upstream.conect_timeout: unknown key, did you mean `connect_timeout`?",
        "12: providers[0].upstream.read_timeout: `2 seconds` is not a duration",
        "15: providers[0].routes[0].path: `{id}x` is not a parameter",
        "16: providers[0].routes[0].price: must be a string in quotes",
        "17: providers[0].routes[1].price: is missing",
        "18: providers[0].routes[1].name: there is already a route `a` on line 14 (providers[0].routes[0].name)",
        "20: providers[0].routes[1].prise: unknown key, did you mean `price`?",
    ];
    for (error, start) in told.iter().zip(expect) {
        assert!(error.starts_with(start), "{error}\nis not\n{start}");
    }
    assert_eq!(told.len(), expect.len(), "{told:#?}");
}

#[test]
fn an_error_is_printed_as_editors_follow_it() {
    let errors = parse("\n  publik_url = \"x\"\n").unwrap_err();
    assert_eq!(errors.to_string(), "faregate.toml:2:3: publik_url: unknown key, did you mean `public_url`?");
}

#[test]
fn what_is_no_toml_is_told_with_its_line_and_key() {
    let told = errors("[limits]\nworkers = = 3\n");
    assert!(told[0].starts_with("2: limits.workers: "), "{told:?}");
    let told = errors(&format!("{SMALL}price = \"$1\"\n"));
    assert!(told[0].starts_with("10: providers.routes.price: "), "{told:?}");
}

#[test]
fn routes_that_answer_the_same_requests_are_all_told() {
    let route = |name: &str, path: &str| {
        format!("[[providers.routes]]\nname = \"{name}\"\npath = \"{path}\"\nprice = \"$0.02\"\n")
    };
    let text = format!("{SMALL}{}{}{}", route("b", "/A"), route("c", "/a/"), route("d", "/d"));
    let told = errors(&text);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].contains("providers[0].routes[1].path: route `b` answers the same requests as route `a`")
    );
    assert!(told[1].contains("providers[0].routes[2].path: route `c`"));
}

#[test]
fn public_networks_are_no_wallet() {
    for chain in [1, 137, 8_453, 84_532, 42_161] {
        assert!(errors(&format!("[wallet]\nchain_id = {chain}\n"))[0].contains("public network"));
    }
}

#[test]
fn a_host_header_cannot_choose_the_price_of_one_upstream() {
    let provider = |name: &str, hosts: &str| {
        format!(
            "[[providers]]\nname = \"{name}\"\n{hosts}\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9000\"]\n"
        )
    };
    let told = errors(&format!("{}{}", provider("a", ""), provider("b", "hosts = [\"cheap.example\"]")));
    assert!(
        told[0].starts_with("7: providers[1].name: `a` and `b` stand before the same address"),
        "{told:?}"
    );
    let same = "hosts = [\"x.example\"]";
    assert!(parse(&format!("{}{}", provider("a", same), provider("b", same))).is_ok());
}

#[test]
fn what_must_be_one_of_a_kind_is_told_when_it_is_there_twice() {
    let hash = crate::AgentKey::generate(domain::UnixMillis(0), [1; 42]).hash();
    let agent = |name: &str, rest: &str| format!("[[agents]]\nname = \"{name}\"\n{rest}\n");
    let signers = "signers = [\"0x1111111111111111111111111111111111111111\"]";
    let keys = format!("keys = [{{ hash = \"{hash}\" }}]");
    let provider = |name: &str, port: u16| {
        let pay_to = "pay_to = \"0x1111111111111111111111111111111111111111\"";
        let upstream = format!("upstream = {{ addresses = [\"http://127.0.0.1:{port}\"] }}");
        format!("[[providers]]\nname = \"{name}\"\n{pay_to}\n{upstream}\n")
    };
    let twice = [
        (agent("a", "") + &agent("a", ""), "5: agents[1].name: there is already an agent `a`"),
        (agent("a", signers) + &agent("b", signers), "6: agents[1].signers[0]: 0x1111"),
        (agent("a", &keys) + &agent("b", &keys), "6: agents[1].keys[0].hash: key_"),
        (provider("a", 1) + &provider("b", 2), "6: providers[1].name: `a` and `b` have the same pay_to"),
        (provider("a", 1) + &provider("a", 2), "6: providers[1].name: there is already a provider `a`"),
        ("[listen]\ncontrol = \"127.0.0.1:8404\"\n".to_owned(), "1: listen: two listeners share"),
    ];
    for (text, start) in twice {
        let told = errors(&text);
        assert!(told.len() == 1 && told[0].starts_with(start), "{told:#?} is not {start}");
    }
}

#[test]
fn a_policy_names_only_what_there_is() {
    let told = errors(&format!(
        "{SMALL}[[agents]]\nname = \"x\"\nroutes = [\"A1\", \"a\"]\nproviders = [\"acm\"]\n"
    ));
    assert_eq!(
        told,
        [
            "12: agents[0].routes[0]: there is no route `A1`, did you mean `a`?",
            "13: agents[0].providers[0]: there is no provider `acm`, did you mean `acme`?"
        ]
    );
}

#[test]
fn headers_that_the_gateway_sets_or_that_split_a_response_are_refused() {
    for header in
        ["host", "Connection", "payment-signature", "x-forwarded-for", "faregate-payer", "bad name", ""]
    {
        let text = SMALL.replace(
            "[[providers.routes]]",
            &format!("headers = {{ \"{header}\" = \"v\" }}\n[[providers.routes]]"),
        );
        assert!(errors(&text)[0].contains("upstream.headers."), "{header}");
    }
    for value in ["", " v", "a\\r\\nb", "a\\u0000", "ü"] {
        let text = SMALL.replace(
            "[[providers.routes]]",
            &format!("headers = {{ a = \"{value}\" }}\n[[providers.routes]]"),
        );
        assert!(errors(&text)[0].contains("is no value of a header"), "{value}");
    }
}

#[test]
fn variables_stand_in_front_of_the_file() {
    let pairs = [
        ("FAREGATE__LISTEN__DATA", "127.0.0.1:0"),
        ("FAREGATE__LIMITS__HOLDS_MAX", "99"),
        ("FAREGATE__PUBLIC_URL", "https://x.example"),
        ("FAREGATE__CONTROL__ADMIN_TOKEN", "0123456789abcdef"),
        ("FAREGATE_OTHER", "not ours"),
    ];
    let config = parse_with("[limits]\nholds_max = 77\n", &pairs).unwrap().config;
    assert_eq!(config.limits.holds_max, 99);
    assert_eq!(config.listeners.data[0].address.port(), 0);
    assert_eq!(config.public_url.as_deref(), Some("https://x.example"));
    assert_eq!(config.control.admin_token.unwrap().expose(), "0123456789abcdef");
}

#[test]
fn a_variable_that_is_wrong_or_unknown_is_told_by_its_name() {
    let pairs = [("FAREGATE__LIMITS__HOLD_MAX", "9"), ("FAREGATE__LISTEN__OPS", "nowhere")];
    let errors = parse_with("", &pairs).unwrap_err().to_string();
    assert!(
        errors.contains("environment variable FAREGATE__LIMITS__HOLD_MAX: limits.hold_max: no setting"),
        "{errors}"
    );
    assert!(errors.contains("did you mean `limits.holds_max`?"), "{errors}");
    assert!(
        errors.contains("environment variable FAREGATE__LISTEN__OPS: listen.ops: `nowhere` is not"),
        "{errors}"
    );
}

#[test]
fn o7_no_error_and_no_debug_output_shows_a_secret() {
    let canary = "c4n4ry-0123456789";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    fs::write(&file, format!("fg_{canary}\n")).unwrap();
    let header =
        |value: &str| SMALL.replace("[[providers.routes]]", &format!("{value}\n[[providers.routes]]"));
    let wrong = [
        format!("[control]\nadmin_token = \"{}\"\n", "c4n4ry"),
        format!("[control]\nadmin_token = [\"{canary}\"]\n"),
        format!("[control]\nadmin_token = \"{canary} with a space\"\n"),
        header(&format!("headers = {{ a = \"{canary}\\n\" }}")),
        header(&format!("headers = {{ a = [\"{canary}\"] }}")),
        header(&format!("headers = {{ host = \"{canary}\" }}")),
        SMALL.replace("http://127", &format!("http://user:{canary}@127")),
        format!("[[agents]]\nname = \"a\"\n[[agents.keys]]\nhash = \"fg_{canary}\"\n"),
        format!("[[agents]]\nname = \"a\"\n[[agents.keys]]\nfile = \"{}\"\n", file.display()),
        format!("[control]\nadmin_token = \"{canary}\nx = 1"),
        format!("[control]\nadmin_token = {canary}\n"),
    ];
    for text in wrong {
        let errors = parse(&text).expect_err(&text);
        assert!(!format!("{errors} {errors:?}").contains("c4n4ry"), "{errors}");
    }
    let good = format!(
        "{}\n[control]\nadmin_token = \"{canary}\"\n",
        header(&format!("headers = {{ a = \"{canary}\" }}"))
    );
    assert!(!format!("{:?}", parse(&good).unwrap()).contains(canary));
    let environment = Environment::from_pairs([("FAREGATE__CONTROL__ADMIN_TOKEN", canary)]);
    assert!(!format!("{environment:?}").contains(canary));
}

#[test]
fn secrets_come_from_files_without_their_line_break() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "0123456789abcdef\r\n").unwrap();
    let text = format!("[control]\nadmin_token_file = \"{}\"\n", file.display());
    assert_eq!(parse(&text).unwrap().config.control.admin_token.unwrap().expose(), "0123456789abcdef");
    assert!(
        errors("[control]\nadmin_token_file = \"/nowhere/at/all\"\n")[0].contains("cannot read the secret")
    );
    let both = format!("{text}admin_token = \"0123456789abcdef\"\n");
    assert!(errors(&both)[0].contains("keep one of them"));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_error() {
    let errors = Config::load(Path::new("/nowhere/faregate.toml")).unwrap_err();
    assert!(errors.to_string().starts_with("/nowhere/faregate.toml:1:1: cannot read the file: "), "{errors}");
}

#[test]
fn tiers_are_read_in_order() {
    let config = parse(DOCUMENTED).unwrap().config;
    let Price::Tiered(tiers) = &config.catalog.routes[1].price else { panic!("search is tiered") };
    assert_eq!(tiers.at_call(1_000).to_string(), "$0.01");
    assert_eq!(tiers.at_call(1_001).to_string(), "$0.004");
}
