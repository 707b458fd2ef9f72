//! Reads `profile` of a provider: who it is, for people. Kept in its document alone: nothing that is served depends on it.

use super::section::words;
use super::tree::Section;
use super::value;

/// Longest texts, in bytes.
const TEXTS: [(&str, usize); 3] = [("display_name", 128), ("contact", 256), ("description", 1_024)];

/// Longest website, in bytes.
const WEBSITE_BYTES_MAX: usize = 2_048;

/// What no URL has in it as it is.
const NEVER: [char; 5] = ['"', '<', '>', '\\', '`'];

/// Only looks whether it is right.
pub(super) fn check(provider: &Section<'_>) {
    let Some(section) = provider.item("profile").and_then(|item| item.section()) else { return };
    for (key, bytes_max) in TEXTS {
        section.item(key).and_then(|item| item.parse(|text| words(text, bytes_max)));
    }
    section.item("website").and_then(|item| item.parse(website));
    section.finish();
}

fn website(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port));
    let host = host.map_or(authority, |(host, _)| host);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(NEVER);
    if is_plain && text.len() <= WEBSITE_BYTES_MAX && value::host(host).is_ok() {
        return Ok(());
    }
    Err(format!("must be a URL such as \"https://www.example.com\", at most {WEBSITE_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, Environment};

    fn errors(profile: &str) -> String {
        let text = format!(
            "[[providers]]\nname = \"a\"\nprofile = {profile}\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n"
        );
        let loaded = Config::parse(Path::new("f.toml"), &text, &Environment::default());
        loaded.err().map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_member_of_a_profile_may_be_left_out() {
        for profile in [
            "{}",
            "{ display_name = \"Café\" }",
            "{ website = \"https://www.example.com\", contact = \"a@b.example\", description = \"x\" }",
            "{ website = \"http://[::1]:8080/a?b=c#d\" }",
        ] {
            assert_eq!(errors(profile), "", "{profile}");
        }
    }

    #[test]
    fn what_is_no_profile_says_what_to_write() {
        let long = |key: &str, bytes: usize| format!("{{ {key} = \"{}\" }}", "x".repeat(bytes));
        for (profile, told) in [
            ("\"acme\"".to_owned(), "providers[0].profile: must be a table"),
            ("{ name = \"x\" }".to_owned(), "providers[0].profile.name: unknown key"),
            ("{ contact = 5 }".to_owned(), "providers[0].profile.contact: must be a string"),
            ("{ display_name = \" \" }".to_owned(), "must be 1 to 128 bytes"),
            (long("display_name", 129), "must be 1 to 128 bytes"),
            (long("contact", 257), "must be 1 to 256 bytes"),
            (long("description", 1_025), "must be 1 to 1024 bytes"),
            ("{ description = \"a\\nb\" }".to_owned(), "text on one line"),
        ] {
            assert!(errors(&profile).contains(told), "{profile}: {}", errors(&profile));
        }
        let long = format!("https://a.example/{}", "x".repeat(2_048));
        for website in [
            "",
            "www.example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://",
            "https:///path",
            "https://user:password@example.com",
            "https://a b.example",
            "https://example.com:99999",
            "https://example.com/<b>",
            &long,
        ] {
            let told = errors(&format!("{{ website = \"{website}\" }}"));
            assert!(told.contains("profile.website: must be a URL"), "{website}: {told}");
        }
    }
}
