//! Providers that an apply takes away though they are owed something: said before they go, and after.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::lists;
use super::plan::Plan;
use crate::manage::Api;
use crate::manage::refusal::Refusal;
use crate::owed;

/// Those of a plan, each with its amount as people write it.
#[derive(Default)]
pub(super) struct Gone(Vec<(String, String)>);

// === impl Gone ===

impl Gone {
    /// # Errors
    /// The API cannot be asked. Who may not see it is told nothing.
    pub(super) async fn read(api: &Api, plan: &Plan) -> anyhow::Result<Self> {
        let changes = plan.steps.iter().flat_map(|step| &step.changes);
        let removed = changes.filter(|change| change["kind"] == "provider" && change["change"] == "removed");
        let names: Vec<&Value> = removed.map(|change| &change["name"]).collect();
        if names.is_empty() {
            return Ok(Self::default());
        }
        let rows: Vec<Value> = match lists::all(api, "/v1/settlements/owed").await {
            Err(error) if Refusal::is(StatusCode::FORBIDDEN, &error) => Vec::new(),
            rows => rows?,
        };
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let theirs = rows.iter().filter(|row| names.contains(&&row["provider"]));
        Ok(Self(theirs.map(|row| (word(&row["provider"]), word(&row["owed"]["display"]))).collect()))
    }

    /// Before anything is done.
    pub(super) fn say_before(&self) {
        self.0.iter().for_each(|(name, amount)| eprintln!("faregate: {}", owed::leaving(name, amount)));
    }

    /// Once it is done.
    pub(super) fn say_after(&self) {
        self.0.iter().for_each(|(name, amount)| eprintln!("faregate: {}", owed::warning(name, amount)));
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        self.0.iter().map(|(name, amount)| json!({ "provider": name, "owed": amount })).collect()
    }
}
