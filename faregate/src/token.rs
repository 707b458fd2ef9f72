//! [`Token`]: what opens the management API, and where it was found. Every command looks in the same places, in this order:
//! `--token`, a file that was named (the doctor's), `FAREGATE_TOKEN`, `FAREGATE_ADMIN_TOKEN`.

use std::env;

use anyhow::Context;
use domain::Secret;

/// What the help of `--token` says.
pub(crate) const HELP: &str = "A key of the management API (fgm_...), or the administrator's token; where it is not given, what \
    FAREGATE_TOKEN says, else FAREGATE_ADMIN_TOKEN";

/// What to do where there is none.
pub(crate) const MISSING: &str =
    "show the management API a key or its token: --token, FAREGATE_TOKEN or FAREGATE_ADMIN_TOKEN";

/// Environment variables, the first one first.
const VARIABLES: [&str; 2] = ["FAREGATE_TOKEN", "FAREGATE_ADMIN_TOKEN"];

/// A token. It is printed nowhere.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// As people know the place.
    pub(crate) from: &'static str,
}

// === impl Token ===

impl Token {
    /// The flag's, else the file's, else the environment's.
    pub(crate) fn find(flag: Option<String>, filed: Option<&Secret>) -> Option<Self> {
        Self::first(flag, filed, |name| env::var(name).ok())
    }

    /// The flag's, else the environment's.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn needed(flag: Option<String>) -> anyhow::Result<Self> {
        Self::find(flag, None).context(MISSING)
    }

    fn first(
        flag: Option<String>,
        filed: Option<&Secret>,
        said: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let flag = flag.map(|text| Self { text, from: "--token" });
        let filed = || {
            filed.map(|token| Self {
                text: token.expose().to_owned(),
                from: "control.admin_token of the file",
            })
        };
        // A variable that is set to nothing was meant to be taken away.
        let said =
            |from: &'static str| said(from).filter(|text| !text.is_empty()).map(|text| Self { text, from });
        flag.or_else(filed).or_else(|| VARIABLES.into_iter().find_map(said))
    }

    /// What is said where the token opened nothing.
    pub(crate) fn shown(&self) -> String {
        format!("what was shown is the token of {}", self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_looked_for_in_one_order_and_knows_where_it_was_found() {
        let filed = Secret::new("filed".to_owned());
        let both = |name: &str| Some(name.to_owned());
        let found = |flag: Option<&str>, filed, said: &dyn Fn(&str) -> Option<String>| {
            Token::first(flag.map(str::to_owned), filed, said).map(|token| (token.text, token.from))
        };
        let expected = |text: &str, from| Some((text.to_owned(), from));
        assert_eq!(found(Some("f"), Some(&filed), &both), expected("f", "--token"));
        assert_eq!(found(None, Some(&filed), &both), expected("filed", "control.admin_token of the file"));
        assert_eq!(found(None, None, &both), expected("FAREGATE_TOKEN", "FAREGATE_TOKEN"));
        let empty = |name: &str| Some(if name == "FAREGATE_TOKEN" { "" } else { "t" }.to_owned());
        assert_eq!(found(None, None, &empty), expected("t", "FAREGATE_ADMIN_TOKEN"));
        assert_eq!(found(None, None, &|_| None), None);
    }
}
