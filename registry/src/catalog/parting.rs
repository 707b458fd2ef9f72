//! [`Parting`]: what a provider loses when it goes, for good, also where one of its name comes again ([`super::change`]).
//!
//! A file lets go of a provider by not naming it, which is soon done by a slip of the pen, or with an older file. It must not cost
//! anybody their keys: such a file is refused until somebody says that it is meant.

use std::fmt;

use domain::UnixMillis;

use crate::journal::{PAGE_MAX, Tenant};
use crate::registry::RegistryError;
use crate::store::{Session, api_keys, payouts, webhooks};

/// A provider that a file lets go of, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Its name.
    pub provider: String,
    /// Keys of the management API that are not revoked.
    pub keys: usize,
    /// Webhooks of its own that are sent to.
    pub webhooks: usize,
    /// Whether it is known where its money goes, or is to go.
    pub has_destination: bool,
}

// === impl Parting ===

impl Parting {
    /// Those of these providers that lose something.
    pub(crate) async fn of(
        session: &mut Session<'_>,
        providers: impl Iterator<Item = &str>,
        at: UnixMillis,
    ) -> Result<Vec<Self>, RegistryError> {
        let mut partings = Vec::new();
        for provider in providers {
            let own = webhooks::list(session, &Tenant::provider(provider), None, PAGE_MAX).await?;
            let destinations = payouts::of_provider(session, provider, at).await?;
            let parting = Self {
                provider: provider.to_owned(),
                keys: api_keys::of_provider(session, provider).await?.len(),
                webhooks: own.iter().filter(|webhook| webhook.disabled.is_none()).count(),
                has_destination: destinations.current.is_some() || destinations.pending.is_some(),
            };
            if parting.keys > 0 || parting.webhooks > 0 || parting.has_destination {
                partings.push(parting);
            }
        }
        Ok(partings)
    }

    /// All of them, and what to do.
    pub(crate) fn told(partings: &[Self]) -> String {
        let lines: Vec<String> = partings.iter().map(ToString::to_string).collect();
        format!(
            "{}\nWhat they have ends with them, also where they are named again. Name them again; or, if this is meant, send SIGHUP \
             to the running process, or start with --let-providers-go",
            lines.join("\n")
        )
    }
}

impl fmt::Display for Parting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, keys, webhooks, has_destination } = self;
        let destination = if *has_destination { "a payout destination" } else { "no payout destination" };
        write!(
            out,
            "the file does not name the provider `{provider}` any more, which has {keys} keys of the management API, {webhooks} \
             webhooks and {destination}"
        )
    }
}
