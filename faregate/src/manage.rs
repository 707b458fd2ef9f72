//! `faregate provider|route|agent|wallet|...`: the management API on the command line.
//!
//! The commands are made from the API's OpenAPI document, which is in this binary: an operation called `wallet.fund` is
//! `faregate wallet fund`. What stands in its path is an argument, its parameters and the members of its body are flags, and
//! its list is printed from its own CSV. A new call of the API is a new command by itself; nothing is written twice.

mod command;
mod input;
mod operation;
mod table;

use anyhow::Context;
use clap::ArgMatches;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::client;
use crate::output::{Format, Verdict, print_json, print_text};
use input::Input;
use operation::Operation;

pub(crate) use command::add_to;

/// Where the management API is, where nobody says.
const URL: &str = "http://127.0.0.1:8403";

/// Does what a command made by [`add_to`] says.
pub(crate) async fn execute(noun: &str, matches: &ArgMatches, format: Format) -> anyhow::Result<Verdict> {
    let (verb, matches) = matches.subcommand().context("name what to do")?;
    let operations = operation::all();
    let operation = operations.iter().find(|operation| operation.noun == noun && operation.verb == verb);
    let operation = operation.context("there is no such command")?;
    let input = Input::read(operation, matches)?;
    if input.dry_run && !operation.tries() {
        print_json(
            &json!({ "method": operation.method, "path": input.path_and_query(), "body": input.body }),
        );
        return Ok(Verdict::Yes);
    }
    let api = Api::new(matches)?;
    if let Some(name) = matches.get_one::<String>("field") {
        let found = if operation.is_list { rows(&api, &input).await? } else { api.ask(&input).await? };
        print_text(&table::field(&found, name)?);
        return Ok(Verdict::Yes);
    }
    match (format, operation.is_list) {
        (Format::Json, true) => print_json(&rows(&api, &input).await?),
        (Format::Text, true) => print_text(&table::of_csv(&list_csv(&api, &input).await?)?),
        (Format::Json, false) => print_json(&api.ask(&input).await?),
        (Format::Text, false) => print_text(&table::of_object(&api.ask(&input).await?)),
    }
    Ok(Verdict::Yes)
}

/// The API of one gateway, and what opens it.
struct Api {
    client: Client,
    url: String,
    token: String,
}

/// The rows of every page, as one array.
async fn rows(api: &Api, input: &Input) -> anyhow::Result<Value> {
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = api.ask(&input.after(after.as_deref())).await?;
        rows.extend(page["data"].as_array().into_iter().flatten().cloned());
        after = page["next"].as_str().map(str::to_owned);
        // A page that was asked for is one page.
        if after.is_none() || input.is_one_page {
            break;
        }
    }
    Ok(Value::Array(rows))
}

async fn list_csv(api: &Api, input: &Input) -> anyhow::Result<String> {
    let request = api.request(input).header(ACCEPT, "text/csv");
    let response = request.send().await.context("the management API cannot be reached")?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    response.text().await.context("the management API broke off: what came is not the whole list")
}

/// What an API says no with, and which fields of the body it means.
async fn refusal(response: Response) -> anyhow::Error {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut said = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
    for error in problem["errors"].as_array().into_iter().flatten() {
        let word = |name: &str| error[name].as_str().unwrap_or_default();
        said.push_str(&format!("\n  {}: {}", word("pointer"), word("detail")));
    }
    let code = problem["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
    anyhow::anyhow!("{}{code}: {said}", status.as_u16())
}

// === impl Api ===

impl Api {
    fn new(matches: &ArgMatches) -> anyhow::Result<Self> {
        let named = |name: &str| matches.get_one::<String>(name).cloned();
        let token = named("token").context(
            "show the management API a key or its token: --token, FAREGATE_TOKEN or FAREGATE_ADMIN_TOKEN",
        )?;
        let url = named("api").unwrap_or_else(|| URL.to_owned());
        Ok(Self { client: client::direct()?, url: url.trim_end_matches('/').to_owned(), token })
    }

    fn request(&self, input: &Input) -> RequestBuilder {
        let url = format!("{}{}", self.url, input.path_and_query());
        let mut request = self.client.request(input.method.clone(), url).bearer_auth(&self.token);
        if let Some(key) = &input.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        match &input.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        }
    }

    /// The answer, null where it has none.
    async fn ask(&self, input: &Input) -> anyhow::Result<Value> {
        let response = self.request(input).send().await.context("the management API cannot be reached")?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let text = response.text().await.context("the management API broke off")?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the management API did not answer in JSON")
    }
}

// === impl Operation ===

impl Operation {
    /// Whether the API itself can try the call without making it.
    fn tries(&self) -> bool {
        self.query.iter().any(|parameter| parameter.name == "dry_run")
    }
}

#[cfg(test)]
mod tests;
