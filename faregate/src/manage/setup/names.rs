//! [`Names`]: what agents and webhooks may name once a setup is applied.

use std::collections::BTreeSet;

use domain::Scope;
use reqwest::StatusCode;
use serde_json::{Map, Value};

use super::file::Setup;
use super::lists;
use crate::manage::Api;
use crate::manage::refusal::Refusal;

/// Providers, routes and categories, as the catalog will have them.
#[derive(Default)]
pub(super) struct Names {
    providers: BTreeSet<String>,
    routes: BTreeSet<String>,
    categories: BTreeSet<String>,
}

// === impl Names ===

impl Names {
    /// What is there, what the file brings, and not what `prune` takes away. None where nothing of the file needs it, or where
    /// the key may not read it: the API looks again.
    pub(super) async fn read(api: &Api, setup: &Setup, prune: bool) -> anyhow::Result<Option<Self>> {
        if setup.agents.is_empty() && setup.webhooks.is_empty() {
            return Ok(None);
        }
        let (Some(providers), Some(routes)) =
            (rows(api, "/v1/providers").await?, rows(api, "/v1/routes").await?)
        else {
            return Ok(None);
        };
        let mut names = Self::default();
        let stays = |row: &&Value| !prune || row["managed_by"] == "file";
        for provider in providers.iter().filter(stays) {
            names.providers.extend(text(&provider["name"]));
        }
        let replaced: BTreeSet<&str> =
            setup.routes.iter().filter_map(|route| route.get("name")?.as_str()).collect();
        let other = |row: &&Value| row["name"].as_str().is_some_and(|name| !replaced.contains(name));
        for route in routes.iter().filter(stays).filter(other) {
            names.routes.extend(text(&route["name"]));
            names.categories.extend(text(&route["document"]["category"]));
        }
        let member = |document: &Map<String, Value>, name: &str| document.get(name).and_then(text);
        names.providers.extend(setup.providers.iter().filter_map(|provider| member(provider, "name")));
        names.routes.extend(setup.routes.iter().filter_map(|route| member(route, "name")));
        names.categories.extend(setup.routes.iter().filter_map(|route| member(route, "category")));
        Ok(Some(names))
    }

    pub(super) fn has_provider(&self, name: &str) -> bool {
        self.providers.contains(name)
    }

    pub(super) fn has_route(&self, name: &str) -> bool {
        self.routes.contains(name)
    }

    /// What a limit is on, or what is wrong with it.
    pub(super) fn expect_scope(&self, text: &str) -> Result<(), String> {
        let scope: Scope = text.parse().map_err(|error: domain::scope::ScopeError| error.to_string())?;
        let names = match &scope {
            Scope::Route(_) => &self.routes,
            Scope::Provider(_) => &self.providers,
            Scope::Category(_) => &self.categories,
        };
        let name: &str = scope.name();
        if names.contains(name) { Ok(()) } else { Err(format!("there is no {} `{name}`", scope.kind())) }
    }
}

/// A list; none where the key may not read it.
async fn rows(api: &Api, path: &str) -> anyhow::Result<Option<Vec<Value>>> {
    match lists::all(api, path).await {
        Err(error) if Refusal::is(StatusCode::FORBIDDEN, &error) => Ok(None),
        rows => rows.map(Some),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
