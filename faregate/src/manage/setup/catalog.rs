//! `[[providers]]` and `[[routes]]` of a setup: documents that the API reads, applied as a whole.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::file::Setup;
use super::lists;
use super::plan::{Call, Plan, Step, Trial};
use super::value::table;
use crate::manage::Api;
use crate::manage::input::Input;
use crate::manage::refusal::Refusal;

/// All that came through the API as TOML; of a provider's key, what is its own.
pub(super) async fn export(api: &Api) -> anyhow::Result<String> {
    let toml = vec![("format".to_owned(), "toml".to_owned())];
    match api.text(&Input::of(Method::GET, "/v1/catalog/export", toml)).await {
        Err(error) if Refusal::is(StatusCode::FORBIDDEN, &error) => own(api).await,
        whole => whole,
    }
}

async fn own(api: &Api) -> anyhow::Result<String> {
    let mut toml = String::new();
    for kind in ["providers", "routes"] {
        let rows: Vec<Value> = lists::all(api, &format!("/v1/{kind}")).await?;
        for row in rows.iter().filter(|row| row["managed_by"] == "api") {
            toml.push_str(&table(kind, &row["document"])?);
        }
    }
    Ok(toml)
}

/// Tries providers and routes, which then are applied as a whole, in one version, which is told.
pub(super) async fn plan(api: &Api, setup: &Setup, prune: bool, plan: &mut Plan) -> anyhow::Result<Value> {
    if setup.providers.is_empty() && setup.routes.is_empty() && !prune {
        return Ok(Value::Null);
    }
    let body = json!({ "providers": setup.providers, "routes": setup.routes });
    let trial = Trial::new(Method::POST, "/v1/catalog/apply", body.clone(), String::new());
    let trial = if prune { trial.set("prune") } else { trial };
    let Some(mut tried) = trial.run(api, &mut plan.mistakes).await? else { return Ok(Value::Null) };
    let changes = tried["changes"].as_array_mut().map(std::mem::take).unwrap_or_default();
    if !changes.is_empty() {
        let path = if prune { "/v1/catalog/apply?prune=true" } else { "/v1/catalog/apply" };
        let calls = vec![Call::new(Method::POST, path).body(body)];
        plan.steps.push(Step { changes, calls });
    }
    Ok(tried["version"].take())
}
