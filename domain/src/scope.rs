//! [`Scope`]: a part of what is sold, by name. Limits and keys of agents are narrowed to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest name of a route, provider or category in a scope, in bytes.
pub const SCOPE_NAME_BYTES_MAX: usize = 64;

/// One route, one provider, or all routes of one category; `route:NAME` and so on as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The route of this name.
    Route(Arc<str>),
    /// Every route of the provider of this name.
    Provider(Arc<str>),
    /// Every route of this category.
    Category(Arc<str>),
}

/// What a call is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sold<'a> {
    /// The route's name.
    pub route: &'a str,
    /// The provider's name.
    pub provider: &'a str,
    /// The route's category, where it has one.
    pub category: Option<&'a str>,
}

/// Why a text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a scope is route:NAME, provider:NAME or category:NAME, with a name of 1 to {SCOPE_NAME_BYTES_MAX} bytes"
)]
pub struct ScopeError;

// === impl Scope ===

impl Scope {
    /// Whether a call belongs to it.
    #[must_use]
    pub fn covers(&self, sold: &Sold<'_>) -> bool {
        match self {
            Self::Route(name) => **name == *sold.route,
            Self::Provider(name) => **name == *sold.provider,
            Self::Category(name) => sold.category == Some(name),
        }
    }

    /// `route`, `provider` or `category`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Route(_) => "route",
            Self::Provider(_) => "provider",
            Self::Category(_) => "category",
        }
    }

    /// The name behind it.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        match self {
            Self::Route(name) | Self::Provider(name) | Self::Category(name) => name,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind(), self.name())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once(':').ok_or(ScopeError)?;
        if name.is_empty() || name.len() > SCOPE_NAME_BYTES_MAX {
            return Err(ScopeError);
        }
        match kind {
            "route" => Ok(Self::Route(name.into())),
            "provider" => Ok(Self::Provider(name.into())),
            "category" => Ok(Self::Category(name.into())),
            _ => Err(ScopeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_is_written_and_covers_its_own() {
        let sold = Sold { route: "quotes", provider: "acme", category: Some("data") };
        for (text, covers) in [
            ("route:quotes", true),
            ("provider:acme", true),
            ("category:data", true),
            ("route:acme", false),
            ("provider:quotes", false),
            ("category:quotes", false),
        ] {
            let scope: Scope = text.parse().unwrap();
            assert_eq!((scope.to_string().as_str(), scope.covers(&sold)), (text, covers));
        }
        assert!(!Scope::Category("data".into()).covers(&Sold { category: None, ..sold }));
        let long = format!("route:{}", "x".repeat(SCOPE_NAME_BYTES_MAX + 1));
        for text in ["", "route", "route:", "agent:x", "Route:x", &long] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError), "{text}");
        }
    }
}
