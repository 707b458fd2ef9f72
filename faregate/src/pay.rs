//! `faregate pay`: a curl that pays. Asks without a payment, reads the 402, signs if it is not too dear, asks once more.
//!
//! It signs one payment and never a second: whatever comes after that is reported, not repeated. The body goes to standard
//! output as it comes, the receipt to standard error. Next: [`purchase`] for what is signed, [`outcome`] for what is said.

mod call;
mod outcome;
mod purchase;

use anyhow::Context;
use clap::Args;
use domain::Amount;
use reqwest::StatusCode;

use crate::client;
use crate::key::KeySource;
use crate::output::{Format, Verdict};
use crate::pay::call::Call;
use crate::pay::outcome::{Charged, Outcome};
use crate::pay::purchase::{Declined, Purchase};

/// What to call, and for how much.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The URL, http or https.
    url: String,
    /// The method; GET, or POST where there is a body.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// The body, or @FILE. Sent as application/json unless a header says otherwise.
    #[arg(short = 'd', long = "data", value_name = "BODY")]
    data: Option<String>,
    /// A header field, `Name: value`. May be given several times.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// The most to pay. Counted at six decimal places, those of the wallet and of USDC.
    #[arg(long, value_name = "DOLLARS", default_value = "$0.10", value_parser = Amount::parse_dollars)]
    max: Amount,
    /// Pay on this network alone (CAIP-2, such as eip155:8453); without it by the first offer that can be signed, whatever network it is on.
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    #[command(flatten)]
    key: KeySource,
}

/// Exit code 1 where the answer is no success.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let client = client::new()?;
    let call = Call::new(&arguments)?;
    if call.has_key() {
        return match call.send(&client, None).await {
            Ok(answer) => Outcome::by_key(answer).await,
            Err(error) if error.is_connect() => return Err(error).context("the URL cannot be reached"),
            Err(error) => Outcome::lost(&error, None),
        }
        .print(format)
        .await;
    }
    let first = call.send(&client, None).await.context("the URL cannot be reached")?;
    if first.status() != StatusCode::PAYMENT_REQUIRED {
        return Outcome::free(first).print(format).await;
    }
    let purchase = match Purchase::choose(first.headers(), arguments.max, arguments.network.as_deref()) {
        Ok(purchase) => purchase,
        Err(declined) => return decline(first, declined, format).await,
    };
    let payment = purchase.sign(&arguments.key.read().context("this must be paid")?)?;
    let settled = match call.send(&client, Some(&payment.header)).await {
        Ok(second) => Outcome::paid(second, Some(payment)).await,
        Err(error) => Outcome::lost(&error, Some(payment)),
    };
    settled.print(format).await
}

async fn decline(response: reqwest::Response, declined: Declined, format: Format) -> anyhow::Result<Verdict> {
    let settled = Charged::No { code: declined.code().to_owned(), message: declined.to_string() };
    Outcome::declined(response.status(), settled).print(format).await
}

#[cfg(test)]
mod tests;
