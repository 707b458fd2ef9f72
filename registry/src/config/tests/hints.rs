//! What is written wrong in ways that people write it is told with what to write.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_value_of_the_wrong_kind_is_told_with_the_right_one() {
    let network =
        |line: &str| format!("[[networks]]\nid = \"eip155:84532\"\nrpc = [\"https://n.example\"]\n{line}\n");
    for (text, told) in [
        (
            network("max_timeout = 300"),
            "networks[0].max_timeout: must be a string in quotes with its unit, such as \"300s\"",
        ),
        ("[shutdown]\ngrace = 5\n".to_owned(), "must be a string in quotes with its unit, such as \"5s\""),
        ("[limits]\nheader_bytes_max = 32768\n".to_owned(), "such as \"32768B\""),
        (
            "[providers]\nname = \"a\"\n".to_owned(),
            "providers: must be a list: write [[providers]], in two brackets",
        ),
        (SMALL.replace("[[providers.routes]]", "[providers.routes]"), "write [[providers.routes]]"),
        (SMALL.replace("\"$0.01\"", "free"), "text stands in quotes, such as price = \"free\""),
    ] {
        let errors = errors(&text);
        assert!(errors.iter().any(|error| error.contains(told)), "{told}: {errors:#?}");
    }
    let not_there = Config::load(Path::new("/nowhere/faregate.toml")).unwrap_err().to_string();
    assert!(not_there.contains("name the configuration with -c FILE"), "{not_there}");
}

#[test]
fn a_variable_with_one_underscore_too_few_is_told_by_the_name_that_was_meant() {
    let pairs = [
        ("FAREGATE_CONTROL_ADMIN_TOKEN", "0123456789abcdef"),
        ("FAREGATE_ADMIN_TOKEN", "0123456789abcdef"),
        ("FAREGATE_URL", "http://127.0.0.1:1"),
    ];
    let loaded = parse_with(SMALL, &pairs).unwrap();
    assert!(loaded.config.control.admin_token.is_none());
    let told: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("FAREGATE_CONTROL_ADMIN_TOKEN"), "{told:?}");
    assert!(told[0].ends_with("is not read: write FAREGATE__CONTROL__ADMIN_TOKEN"), "{told:?}");
}

#[test]
fn a_secret_that_every_user_of_the_machine_can_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "0123456789abcdef").unwrap();
    let name = file.display();
    let text = format!(
        "[control]\nadmin_token_file = \"{name}\"\n[[listen.data]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = \"{name}\", key = \"{name}\" }}\n{SMALL}"
    );
    let both = ["control.admin_token_file", "listen.data[0].tls.key"];
    for (mode, warned) in [(0o604, &both[..]), (0o640, &both[..0])] {
        fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let loaded = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let mut keys: Vec<_> = loaded.warnings.iter().map(|warning| &*warning.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, warned, "{mode:o}");
        assert!(loaded.warnings.iter().all(|warning| warning.message.contains("chmod")), "{mode:o}");
    }
}
