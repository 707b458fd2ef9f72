//! `faregate provider|route|agent|wallet|...`: the management API on the command line.
//!
//! The commands are made from the API's OpenAPI document, which is in this binary: an operation called `wallet.fund` is
//! `faregate wallet fund`. What stands in its path is an argument, its parameters and the members of its body are flags, and
//! its list is printed from its own CSV. A new call of the API is a new command by itself; nothing is written twice. Only
//! `faregate export` and `faregate apply` ([`setup`]) and `faregate signer prove` ([`prove`]) have lines of their own.

mod command;
mod input;
mod list;
mod operation;
mod prove;
mod refusal;
mod setup;
mod table;

use std::time::Duration;

use anyhow::Context;
use clap::ArgMatches;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use crate::client;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::token::Token;
use input::Input;
use refusal::Refusal;

pub(crate) use command::add_to;

/// Where the management API is, where nobody says.
const URL: &str = "http://127.0.0.1:8403";

/// What is said beside a trial.
const UNCHANGED: &str = "(nothing was changed: --dry-run)";

/// Commands that ask whether something is so, and the member of the answer that says it.
const JUDGED: [(&str, &str, &str); 3] =
    [("change", "verify", "whole"), ("books", "audit", "clean"), ("policy", "simulate", "would_pass")];

/// How often in a row one call of a setup waits until it is let in.
const WAITS_MAX: u32 = 20;

/// Longest such wait.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Does what a command made by [`add_to`] says.
pub(crate) async fn execute(noun: &str, matches: &ArgMatches, format: Format) -> anyhow::Result<Verdict> {
    match noun {
        setup::EXPORT => return setup::export(matches).await,
        setup::APPLY => return setup::apply(matches, format).await,
        _ => {}
    }
    let (verb, matches) = matches.subcommand().context("name what to do")?;
    if (noun, verb) == (prove::NOUN, prove::VERB) {
        return prove::execute(matches, format).await;
    }
    let operations = operation::all();
    let named = |verb: &str| operations.iter().find(|known| known.noun == noun && known.verb == verb);
    let is_export = verb == command::EXPORT && named(verb).is_none();
    let operation = named(if is_export { command::LIST } else { verb });
    let operation = operation.context("there is no such command")?;
    let mut input = Input::read(operation, matches)?;
    input.csv |= is_export;
    if input.dry_run && !operation.tries() {
        let body = input.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
        let (method, path) = (&operation.method, input.path_and_query());
        anyhow::bail!("this call cannot be tried; nothing was sent. It would be {method} {path}{body}");
    }
    let api = Api::new(matches)?;
    if operation.is_stream {
        list::follow(&api, &input, format).await?;
        return Ok(Verdict::Yes);
    }
    if operation.is_list {
        list::print(&api, &input, format).await?;
        return Ok(Verdict::Yes);
    }
    let text = api.text(&input).await.map_err(|error| unsure(error, &input))?;
    if input.dry_run {
        eprintln!("{UNCHANGED}");
    }
    let answer = serde_json::from_str(&text);
    let verdict = answer.as_ref().map_or(Verdict::Yes, |answer| judged((noun, verb), answer));
    if let Some(name) = &input.field {
        let answer = answer.context("the answer is no JSON")?;
        match table::field(&answer, name) {
            Ok(member) => print_text(&member),
            // There may be a secret in it that is shown once.
            Err(error) => {
                print_json(&answer);
                let done = if input.dry_run { "" } else { ". What was asked for is done" };
                anyhow::bail!("{error}; this is all of it{done}");
            }
        }
        return Ok(verdict);
    }
    match (format, answer) {
        _ if text.is_empty() && format == Format::Text && input.dry_run => {
            print_text(&format!("it would be done: {} {}", operation.method, input.path_and_query()));
        }
        _ if text.is_empty() && format == Format::Text => print_text(operation.nothing()),
        _ if text.is_empty() => print_json(&Value::Null),
        // What is no JSON was asked for as it is: TOML.
        (_, Err(_)) => print_text(text.trim_end()),
        (Format::Json, Ok(answer)) => print_json(&answer),
        (Format::Text, Ok(answer)) => match table::of_object(&answer) {
            lines if lines.is_empty() => print_text(operation.nothing()),
            lines => print_text(&lines),
        },
    }
    Ok(verdict)
}

/// No where the command asked whether something is so, and it is not.
fn judged(asked: (&str, &str), answer: &Value) -> Verdict {
    let member = JUDGED.iter().find(|(noun, verb, _)| (*noun, *verb) == asked).map(|(.., member)| *member);
    Verdict::from(member.is_none_or(|member| answer[member].as_bool().unwrap_or(false)))
}

/// The API of one gateway, and what opens it.
struct Api {
    client: Client,
    url: String,
    token: Token,
    /// Waits where it is told that it calls too fast.
    is_patient: bool,
}

// === impl Api ===

impl Api {
    fn new(matches: &ArgMatches) -> anyhow::Result<Self> {
        let named = |name: &str| matches.get_one::<String>(name).cloned();
        let token = Token::needed(named("token"))?;
        let url = named("api").unwrap_or_else(|| URL.to_owned());
        Ok(Self {
            client: client::direct()?,
            url: url.trim_end_matches('/').to_owned(),
            token,
            is_patient: false,
        })
    }

    /// For whoever makes many calls in a row and must not stop in between.
    fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    fn request(&self, input: &Input) -> RequestBuilder {
        let url = format!("{}{}", self.url, input.path_and_query());
        let mut request = self.client.request(input.method.clone(), url).bearer_auth(&self.token.text);
        if let Some(key) = &input.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        match &input.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        }
    }

    /// The answer as JSON.
    async fn ask(&self, input: &Input) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text(input).await?).context("the management API did not answer in JSON")
    }

    /// The answer, empty where it has none.
    async fn text(&self, input: &Input) -> anyhow::Result<String> {
        let mut waits = if self.is_patient { WAITS_MAX } else { 0 };
        loop {
            let answer = self.text_at_once(input).await;
            let refused = answer.as_ref().err().and_then(|error| error.downcast_ref::<Refusal>());
            let wait = refused.and_then(|refusal| refusal.too_fast).filter(|wait| *wait <= WAIT_MAX);
            let Some(wait) = wait.filter(|_| waits > 0) else { return answer };
            waits -= 1;
            // It was not let in, so nothing of it was done.
            tokio::time::sleep(wait).await;
        }
    }

    async fn text_at_once(&self, input: &Input) -> anyhow::Result<String> {
        let response = self.request(input).send().await;
        let response = response.map_err(|error| {
            let told = if was_sent(&error) { client::UNANSWERED } else { client::UNREACHABLE };
            anyhow::Error::new(error).context(told)
        })?;
        if !response.status().is_success() {
            return Err(Refusal::read(response, &self.token).await.into());
        }
        response.text().await.context("the management API broke off")
    }
}

/// What was asked for under a name may be done though nobody said so: that name, and no other, is safe to repeat it under.
fn unsure(error: anyhow::Error, input: &Input) -> anyhow::Error {
    let Some(key) = input.idempotency_key.as_ref().filter(|_| !input.dry_run) else { return error };
    let may_be_done =
        error.downcast_ref().is_some_and(was_sent) || error.downcast_ref().is_some_and(Refusal::may_be_done);
    if !may_be_done {
        return error;
    }
    error.context(format!(
        "IT MAY HAVE BEEN DONE, do not ask for it under another name: repeat the command with `--idempotency-key {key}`, \
         which does it once"
    ))
}

/// Whether a call may have arrived that came to this.
fn was_sent(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_builder()
}

#[cfg(test)]
mod tests;
