//! Payers of whom nothing is known: to sign costs nothing, and each costs its facilitator a simulation.

use super::*;

/// Of these one client address is verified at once.
const AT_ONCE: usize = 256;

#[tokio::test(flavor = "multi_thread")]
async fn a4_whoever_sends_what_is_no_payment_again_and_again_is_told_to_wait_before_its_facilitator_is_asked()
{
    let solana = Solana::with("verify_timeout = \"20s\"").await;
    let offer = solana.offer().await;
    let paid = payment(&offer, &transaction(1, "paid"));
    solana.buy(&paid).await.expect_status(200);
    solana.facilitator.on(Call::Verify, Conduct::denying());
    let before = solana.facilitator.asked().len();
    let mut denied = 0;
    // Each takes time, in which more is let through.
    let waits = loop {
        assert!(denied < 100 * AT_ONCE, "nobody is told to wait");
        let junk = payment(&offer, &transaction(1, &denied.to_string()));
        let refused = solana.buy(&junk).await;
        if refused.status != 402 {
            break refused;
        }
        denied += 1;
    };
    waits.expect_refusal(429, "too_many_payers");
    assert!(waits.header("retry-after").is_some());
    let verified = solana.facilitator.asked().into_iter().skip(before);
    assert_eq!(verified.filter(|asked| asked.call == Call::Verify).count(), denied);
    assert!(denied >= AT_ONCE, "{denied}");
    // What paid before is told so.
    solana.buy_at_rest(&paid).await.expect_refusal(409, "already_delivered");
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_found_to_pay_is_never_told_to_wait() {
    let solana = Solana::with("verify_timeout = \"20s\"").await;
    let offer = solana.offer().await;
    // Nothing moves for it, so that one may pay again and again.
    solana.upstream.on("/paid", Script::reply(500, &[], "broken"));
    for number in 0..AT_ONCE * 3 / 2 {
        let header = payment(&offer, &transaction(1, &number.to_string()));
        solana.buy(&header).await.expect_status(500);
    }
    solana.finish().await;
}
