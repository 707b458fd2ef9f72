//! Payments signed ahead, on all cores: the generator then only copies bytes.
//!
//! They are valid for a minute, so they are signed right before the measurement that sends them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use domain::{B256, UnixMillis};
use protocol::challenge::PaymentRequired;
use protocol::sign::sign_offer;
use protocol::signature::SigningKey;

/// Signs the first offer of a challenge `count` times, payers in turn, each with a random nonce.
pub(crate) fn sign(challenge: &PaymentRequired, payers: &[SigningKey], count: usize) -> Result<Vec<String>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| sign_share(challenge, payers, share))).collect();
        let mut payments = Vec::with_capacity(share * threads);
        for worker in workers {
            payments.extend(worker.join().map_err(|_| anyhow!("a signing thread panicked"))??);
        }
        Ok(payments)
    })
}

fn sign_share(challenge: &PaymentRequired, payers: &[SigningKey], count: usize) -> Result<Vec<String>> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock after 1970")?;
    let at = UnixMillis(i64::try_from(since_epoch.as_millis())?);
    let sign = |payer: &SigningKey| {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).context("a nonce")?;
        sign_offer(payer, challenge, 0, B256::from(nonce), at).context("signing a payment")
    };
    payers.iter().cycle().take(count).map(sign).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_payments_are_the_same() {
        let challenge = serde_json::from_value(serde_json::json!({
            "x402Version": 2,
            "accepts": [{
                "scheme": "exact", "network": "eip155:402402", "amount": "1000", "maxTimeoutSeconds": 60,
                "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
                "payTo": "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
                "extra": { "name": "Faregate USD", "version": "1" },
            }],
        }))
        .unwrap();
        let payer = SigningKey::from_hex(&"11".repeat(32)).unwrap();
        let payments = sign(&challenge, &[payer], 50).unwrap();
        assert!(payments.len() >= 50);
        assert_eq!(payments.iter().collect::<HashSet<_>>().len(), payments.len());
    }
}
