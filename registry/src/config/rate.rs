//! Reads `rate_limit`: how often one consumer may call a route, or all routes of a provider.

use domain::RateLimit;
use domain::rate::{CALLS_MAX, PER_MAX, PER_MIN};

use super::section::duration;
use super::tree::Section;

/// The key, of a route or of a provider.
pub(super) fn read(of: &Section<'_>) -> Option<RateLimit> {
    let item = of.item("rate_limit")?;
    if item.is_text() {
        item.fail("must be a table, such as rate_limit = { calls = 100, per = \"1s\" }");
        return None;
    }
    let section = item.section()?;
    let count = |key, hint: Option<&str>| {
        let item = match hint {
            Some(hint) => section.require(key, hint),
            None => section.item(key),
        };
        item.and_then(|item| item.integer(1..=u64::from(CALLS_MAX)))
            .and_then(|count| u32::try_from(count).ok())
    };
    let calls = count("calls", Some("write how many calls, such as calls = 100"));
    let per = section.require("per", "write in what time, such as per = \"1s\"");
    let per = per.and_then(|item| duration(&item, PER_MIN, PER_MAX));
    let burst = count("burst", None);
    section.finish();
    let (calls, per) = (calls?, per?);
    match RateLimit::new(calls, per, burst.unwrap_or(calls)) {
        Ok(limit) => Some(limit),
        Err(error) => {
            item.fail(error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::config::{Config, Environment};

    fn parse(rate_limit: &str) -> Result<Option<domain::RateLimit>, String> {
        let text = format!(
            "[[providers]]\nname = \"a\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
             [[providers.routes]]\nname = \"r\"\npath = \"/r\"\nprice = \"free\"\nrate_limit = {rate_limit}\n"
        );
        let loaded = Config::parse(Path::new("f.toml"), &text, &Environment::default());
        let loaded =
            loaded.map_err(|errors| errors.iter().map(|error| error.message.clone()).collect::<String>())?;
        Ok(loaded.config.catalog.routes[0].rate_limit)
    }

    #[test]
    fn a_burst_is_as_many_as_the_rate_where_nothing_is_said() {
        let limit = parse("{ calls = 60, per = \"1m\" }").unwrap().unwrap();
        assert_eq!((limit.calls(), limit.per(), limit.burst().get()), (60, Duration::from_secs(60), 60));
        let limit = parse("{ calls = 100, per = \"1s\", burst = 200 }").unwrap().unwrap();
        assert_eq!(limit.burst().get(), 200);
    }

    #[test]
    fn what_is_no_limit_says_what_to_write() {
        for (text, told) in [
            ("\"100/s\"", "must be a table, such as rate_limit = { calls = 100, per = \"1s\" }"),
            ("{ per = \"1s\" }", "calls = 100"),
            ("{ calls = 1 }", "per = \"1s\""),
            ("{ calls = 0, per = \"1s\" }", "from 1 to 1000000"),
            ("{ calls = 1, per = \"10ms\" }", "must be from 1s to 1d"),
            ("{ calls = 1, per = \"1d\", burst = 1000 }", "lower burst"),
            ("{ calls = 1, per = \"1s\", bursts = 2 }", "unknown key"),
        ] {
            let errors = parse(text).unwrap_err();
            assert!(errors.contains(told), "{text}: {errors}");
        }
    }
}
