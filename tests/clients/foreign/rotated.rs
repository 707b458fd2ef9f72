//! Facilitators that send from several accounts and name another one each time that they are asked, and what was signed for the one of
//! before a restart.

use super::*;

/// Another account of the facilitator.
const OTHER: &str = "7xLk17EQQ5KLDLDe44wCmupJKJjTGd8hs3eSVVhCx932";

/// The account that transactions are signed for here: their first key.
const SIGNED_FOR: &str = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";

/// It names [`OTHER`], and sends from all of these.
fn names_other(accounts: &[&str]) -> Conduct {
    let kind = json!({
        "x402Version": 2, "scheme": "exact", "network": SOLANA_DEVNET, "extra": { "feePayer": OTHER }
    });
    let said = json!({ "kinds": [kind], "extensions": [], "signers": { "solana:*": accounts } });
    Conduct::saying_bytes(said.to_string())
}

/// The offer that names this account.
async fn offer_for(solana: &Solana, account: &str) -> Value {
    until("an offer for the account", || async {
        let offer = solana.offer().await;
        (offer["extra"]["feePayer"] == account).then_some(offer)
    })
    .await
}

/// Starts the gateway anew, whose facilitator names [`OTHER`] now and sends from all of these; the offer then.
async fn restarted(solana: &mut Solana, accounts: &[&str]) -> Value {
    solana.facilitator.on(Call::Supported, names_other(accounts));
    solana.gateway.kill().await;
    solana.gateway.restart().await;
    offer_for(solana, OTHER).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_for_another_account_of_the_facilitator_is_taken_after_a_restart() {
    let mut solana = Solana::new().await;
    let before = offer_for(&solana, FEE_PAYER).await;
    let now = restarted(&mut solana, &[OTHER, FEE_PAYER]).await;
    for (number, (offer, account)) in [(&before, FEE_PAYER), (&now, OTHER)].into_iter().enumerate() {
        let header = payment(offer, &transaction(1, account));
        solana.buy(&header).await.expect_status(200);
        let asked = solana.facilitator.call(Call::Settle, number + 1).await;
        // It is shown what its payer has signed.
        assert_eq!(asked.body["paymentRequirements"]["extra"]["feePayer"], account);
        assert_eq!(asked.body["paymentPayload"]["accepted"], asked.body["paymentRequirements"]);
        solana.buy_at_rest(&header).await.expect_refusal(409, "already_delivered");
    }
    solana.finish().await;
}

/// v1 carries no offer, so that only what was signed shows for which account it was.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_in_v1_for_another_account_of_the_facilitator_is_taken_after_a_restart() {
    let mut solana = Solana::new().await;
    restarted(&mut solana, &[OTHER, SIGNED_FOR]).await;
    solana.gateway.call(&paying_in_v1("signed before")).await.expect_status(200);
    let asked = solana.facilitator.call(Call::Settle, 1).await;
    assert_eq!(asked.body["paymentRequirements"]["extra"]["feePayer"], SIGNED_FOR);
    assert_eq!(asked.body["paymentPayload"]["accepted"], asked.body["paymentRequirements"]);
    // Of an account that is not its own it is asked as of any other: that is its to refuse.
    restarted(&mut solana, &[OTHER]).await;
    solana.gateway.call(&paying_in_v1("signed for a stranger")).await.expect_status(200);
    let asked = solana.facilitator.call(Call::Settle, 2).await;
    assert_eq!(asked.body["paymentRequirements"]["extra"]["feePayer"], OTHER);
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_for_an_account_that_is_the_facilitators_no_more_is_asked_for_again_and_nothing_is_lost()
 {
    let mut solana = Solana::new().await;
    let before = offer_for(&solana, FEE_PAYER).await;
    let paid = payment(&before, &transaction(1, "paid before"));
    solana.buy(&paid).await.expect_status(200);
    let now = restarted(&mut solana, &[OTHER]).await;
    let refused = solana.buy(&payment(&before, &transaction(1, "too old"))).await;
    refused.expect_status(402);
    assert!(refused.challenge()["accepts"].as_array().unwrap().contains(&now), "{}", refused.text());
    assert_eq!((solana.upstream.calls("/paid").len(), solana.settles(&transaction(1, "too old"))), (1, 0));
    // What paid before has paid, whatever its offer named: it was killed before it knew that it had delivered.
    solana.buy_at_rest(&paid).await.expect_status(200);
    assert_eq!(solana.settles(&transaction(1, "paid before")), 1);
    solana.buy(&payment(&now, &transaction(1, "signed anew"))).await.expect_status(200);
    solana.finish().await;
}
