//! `faregate address`: the address that a private key signs as, which an agent's owner registers as its signer. Asks nobody.

use serde_json::json;

use crate::key::KeySource;
use crate::output::{Format, Verdict, print_json};

/// Whose address.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeySource,
}

/// Prints the address alone, so that a script can take it.
pub(crate) fn execute(arguments: &Arguments, format: Format) -> anyhow::Result<Verdict> {
    let address = arguments.key.read()?.address().to_checksum(None);
    match format {
        Format::Text => println!("{address}"),
        Format::Json => print_json(&json!({ "address": address })),
    }
    Ok(Verdict::Yes)
}
