//! `faregate signer prove AGENT`: lets the address of a private key sign for an agent. The management API gives a text, which
//! is signed here (EIP-191) and sent back with the address. The key stays on this machine.

use anyhow::Context;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use domain::AgentId;
use protocol::sign::sign_message;
use reqwest::Method;
use serde_json::{Value, json};

use super::command::common;
use super::input::{Input, escape};
use super::{Api, table};
use crate::key::KeySource;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::random;

/// What the command is about.
pub(super) const NOUN: &str = "signer";

/// What it does.
pub(super) const VERB: &str = "prove";

pub(super) fn command() -> Command {
    let about = "Let the address of a private key sign for an agent: signs the text of `signer challenge`, and adds the address";
    let agent = Arg::new("agent").value_name("AGENT").required(true);
    let agent = agent.help("The agent's id or name, as in `faregate agent list`");
    // The key's arguments bring words of their own, which are not this command's.
    common(KeySource::augment_args(Command::new(VERB).arg(agent)).about(about))
}

/// Says which address signs for which agent.
pub(super) async fn execute(matches: &ArgMatches, format: Format) -> anyhow::Result<Verdict> {
    let agent = matches.get_one::<String>("agent").context("name the agent")?;
    let key = KeySource::from_arg_matches(matches)?.read()?;
    let address = key.address().to_checksum(None);
    let api = Api::new(matches)?;
    let agent = id(&api, agent).await?;
    let path = format!("/v1/agents/{}/signers", escape(&agent));
    let challenge = api.ask(&post(&format!("{path}/challenge"), json!({ "address": address }))?).await?;
    let message = challenge["message"].as_str().context("the management API gave no text to sign")?;
    anyhow::ensure!(
        is_asked_for(message, &address, &agent),
        "the management API wants another text signed: {message}"
    );
    let proof = json!({ "address": address, "message": message, "signature": sign_message(&key, message) });
    let added = api.ask(&post(&path, proof)?).await?;
    match format {
        Format::Json => print_json(&added),
        Format::Text => print_text(&table::of_object(&added)),
    }
    Ok(Verdict::Yes)
}

/// Whoever answers at this URL gets no other text signed, and no other agent this address.
fn is_asked_for(message: &str, address: &str, agent: &str) -> bool {
    message.starts_with(&format!("Let {address} sign payments for the agent {agent} of Faregate, "))
}

/// The agent's id, where it is named.
async fn id(api: &Api, agent: &str) -> anyhow::Result<String> {
    if agent.parse::<AgentId>().is_ok() {
        return Ok(agent.to_owned());
    }
    let named =
        api.ask(&Input::of(Method::GET, &format!("/v1/agents/{}", escape(agent)), Vec::new())).await?;
    named["id"].as_str().map(str::to_owned).context("the management API gave no id of the agent")
}

fn post(path: &str, body: Value) -> anyhow::Result<Input> {
    let key = Some(format!("cli-{}", random::hex()?));
    Ok(Input { body: Some(body), idempotency_key: key, ..Input::of(Method::POST, path, Vec::new()) })
}

#[cfg(test)]
mod tests {
    use super::is_asked_for;

    #[test]
    fn no_text_is_signed_for_another_agent_or_another_address() {
        let text = "Let 0xAA sign payments for the agent agt_one of Faregate, until 7 (mark)";
        assert!(is_asked_for(text, "0xAA", "agt_one"));
        for (address, agent) in [("0xAA", "agt_two"), ("0xAB", "agt_one"), ("0xAA", "agt_on"), ("0xAA", "")] {
            assert!(!is_asked_for(text, address, agent), "{address} {agent}");
        }
        assert!(!is_asked_for("Pay everything to me", "0xAA", "agt_one"));
    }
}
