//! What a gateway would serve that read a file now: its providers, routes and agents, and those that came through the API. Reads the
//! database as it is, and changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::{Catalog, Clock, Provider, ProviderId, Route, UnixMillis};

use super::RawCatalog;
use super::draft::Draft;
use super::edit::{Edit, Wrong};
use super::parting::Parting;
use super::setup::{ManagedBy, Setup};
use crate::agent::AgentEntry;
use crate::config::Config;
use crate::database::Database;
use crate::registry::file::expect_free;
use crate::registry::{Registry, RegistryError};

// === impl Registry ===

impl Registry {
    /// The catalog of a file together with what is stored; none where no registry was made there.
    ///
    /// # Errors
    /// [`RegistryError::Stored`] where the two do not go together; the database does not work, or is of another version.
    pub async fn stored_catalog(
        database: &Database,
        clock: Arc<dyn Clock>,
        file: &RawCatalog,
    ) -> Result<Option<Catalog>, RegistryError> {
        let Some(stored) = Self::stored_setup(database, clock, file).await? else { return Ok(None) };
        stored.readable(true)?;
        let (providers, routes) = beside(file, &stored);
        Catalog::new(0, providers, routes).map(Some).map_err(|_| RegistryError::Stored)
    }

    /// Whether a start with this file would find it in order beside what is stored: the providers that there would be; none where no registry
    /// was made there.
    ///
    /// # Errors
    /// What the start would be refused with, as [`Self::upsert_agents`] and [`Self::apply`] say it, in their order; the database
    /// does not work, or is of another version.
    pub async fn try_file(
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<HashSet<Arc<str>>>, Vec<RegistryError>> {
        let at = clock.now();
        let opened = Self::open_existing(&config.data, clock).await.map_err(|error| vec![error])?;
        let Some(registry) = opened else { return Ok(None) };
        registry.shared.terms.get_or_init(|| config.catalog.terms.clone());
        let agents = registry.try_agents(&config.agents).await;
        let providers = registry.try_providers(config, at).await;
        registry.close().await;
        match agents {
            Ok(()) => providers.map(Some),
            Err(agents) => Err([agents].into_iter().chain(providers.err().into_iter().flatten()).collect()),
        }
    }

    async fn try_providers(
        &self,
        config: &Config,
        at: UnixMillis,
    ) -> Result<HashSet<Arc<str>>, Vec<RegistryError>> {
        let one = |error| vec![error];
        let stored = self.read_setup().await.map_err(one)?;
        let left = try_catalog(config, &stored, at)?;
        let gone = stored.providers.keys().filter(|name| !left.contains(*name));
        let mut snapshot = self.shared.pool.snapshot().await.map_err(|error| one(error.into()))?;
        let lost = Parting::of(&mut snapshot.session(), gone.map(|name| &**name), at).await.map_err(one)?;
        if lost.is_empty() { Ok(left) } else { Err(one(RegistryError::Parting(lost))) }
    }

    async fn stored_setup(
        database: &Database,
        clock: Arc<dyn Clock>,
        file: &RawCatalog,
    ) -> Result<Option<Setup>, RegistryError> {
        let Some(registry) = Self::open_existing(database, clock).await? else { return Ok(None) };
        registry.shared.terms.get_or_init(|| file.terms.clone());
        let stored = registry.read_setup().await;
        registry.close().await;
        stored.map(Some)
    }

    async fn try_agents(&self, entries: &[AgentEntry]) -> Result<(), RegistryError> {
        let mut snapshot = self.shared.pool.snapshot().await?;
        expect_free(&mut snapshot.session(), entries).await
    }

    async fn read_setup(&self) -> Result<Setup, RegistryError> {
        let mut snapshot = self.shared.pool.snapshot().await?;
        Ok(self.newer(&mut snapshot.session(), &Setup::default()).await?.unwrap_or_default())
    }
}

/// The providers that there would be. What is in the way of names is told beside what is in the way of the rest.
fn try_catalog(
    config: &Config,
    stored: &Setup,
    at: UnixMillis,
) -> Result<HashSet<Arc<str>>, Vec<RegistryError>> {
    stored.readable(true).map_err(|error| vec![error])?;
    let mut wrong = Wrong::default();
    let mut edits = config.catalog.plan_free(stored, &mut wrong);
    edits.retain(|edit| !edit.is_done(stored));
    edits.sort_by_key(Edit::turn);
    let mut draft = Draft::new(stored, stored.version, at);
    let rest = draft.apply(edits, true).and_then(|()| draft.check(&Catalog::empty(), &config.networks, true));
    match (wrong.end(), rest) {
        (Ok(()), Ok(checked)) => Ok(checked.setup.providers.into_keys().collect()),
        (names, rest) => Err([names.err(), rest.err()].into_iter().flatten().collect()),
    }
}

/// The file's, and behind them those of the API. One of the API whose name the file takes is left out: such a file is refused
/// when it is read.
fn beside(file: &RawCatalog, stored: &Setup) -> (Vec<Arc<Provider>>, Vec<Arc<Route>>) {
    let (mut providers, mut routes) = (file.providers.clone(), file.routes.clone());
    let taken: HashSet<&str> = file.providers.iter().map(|provider| &*provider.name).collect();
    let of_api = stored.in_order().into_iter().filter(|entry| entry.managed_by == ManagedBy::Api);
    let free = of_api.filter(|entry| !taken.contains(&*entry.provider.name));
    providers.extend(free.map(|entry| Arc::clone(&entry.provider)));
    let places: HashMap<&str, ProviderId> =
        providers.iter().zip(0..).map(|(provider, place)| (&*provider.name, ProviderId(place))).collect();
    let taken: HashSet<&str> = file.routes.iter().map(|route| &*route.name).collect();
    let of_api = stored.routes.values().filter(|entry| entry.managed_by == ManagedBy::Api);
    for entry in of_api.filter(|entry| !taken.contains(&*entry.route.name)) {
        if let Some(provider) = places.get(&*entry.provider) {
            routes.push(Arc::new(Route { provider: *provider, ..(*entry.route).clone() }));
        }
    }
    (providers, routes)
}
