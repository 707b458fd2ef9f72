//! Payers whose wallets are contracts: one that has signed pays, by whoever settles; nobody else spends its money or is told what it
//! bought; and one that thinks better of it costs no more than any other payer.

use domain::Address;
use serde_json::Value;
use tests::chain::Network;
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Gate, Payer, Payment, PublicWorld, Request, Response, Route, Script};

/// What a call costs.
const PRICE: u64 = 1_000;

const SIGNATURE: &str = "invalid_exact_evm_signature";

/// Time for two attempts of a facilitator, which `deferred` wants.
const LONG: &str = "max_timeout = \"2m\"";

fn routes() -> [Route; 2] {
    [Route::new("/paid", "$0.001"), Route::new("/later", "$0.001").line("settle = \"deferred\"")]
}

/// Signed by the owner for the wallet, with bytes behind it that mean nothing.
async fn payment(world: &PublicWorld, path: &str, wallet: Address, owner: &Payer, others: &[u8]) -> Payment {
    owner.pay_challenge(&world.challenge(&Request::get(path)).await).out_of(wallet, owner, others)
}

async fn call(world: &PublicWorld, path: &str, payment: &Payment) -> Response {
    world.gateway.call(&Request::get(path).paying(payment.header())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_pays_through_the_official_facilitator() {
    a_contract_pays(PublicWorld::with(LONG, routes()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_pays_and_we_settle() {
    a_contract_pays(PublicWorld::settling_itself(LONG, routes()).await).await;
}

/// With 65 bytes as keys write them and with more, at once and later, each once however it is signed for.
async fn a_contract_pays(world: PublicWorld) {
    let owner = Payer::random();
    let wallet = world.network.wallet(owner.address(), 1, 10 * PRICE).await;
    for (path, others) in [("/paid", &[][..]), ("/paid", &[1]), ("/later", &[]), ("/later", &[2])] {
        let paid = payment(&world, path, wallet, &owner, others).await;
        let response = call(&world, path, &paid).await;
        assert_eq!(response.status, 200, "{path} {others:?}: {}\n{}", response.text(), world.gateway.log());
        assert_eq!(response.receipt()["payer"], wallet.to_checksum(None));
        // Another signature that the wallet takes as well is the same payment.
        let again = [paid.signature(), vec![9; 40]].concat();
        call(&world, path, &paid.with_signature(&again)).await.expect_refusal(409, "already_delivered");
    }
    world.settled(4 * PRICE).await;
    assert_eq!(world.upstream.seen().len(), 4);
    assert_eq!(world.network.balance(wallet).await, 6 * PRICE);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_pays_by_permit2_through_the_official_facilitator() {
    let lines = format!("{LONG}\n{}", PublicWorld::moved_by("\"permit2\""));
    pays_by_permit2(PublicWorld::with(&lines, routes()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_pays_by_permit2_and_we_settle() {
    let lines = format!("{LONG}\n{}", PublicWorld::moved_by("\"permit2\""));
    pays_by_permit2(PublicWorld::settling_itself(&lines, routes()).await).await;
}

async fn pays_by_permit2(world: PublicWorld) {
    let owner = Payer::random();
    let wallet = world.network.wallet(owner.address(), 1, 10 * PRICE).await;
    world.network.approve_permit2(wallet).await;
    for (path, others) in [("/paid", &[1][..]), ("/later", &[1, 2])] {
        let paid = payment(&world, path, wallet, &owner, others).await;
        let response = call(&world, path, &paid).await;
        assert_eq!(response.status, 200, "{path}: {}\n{}", response.text(), world.gateway.log());
    }
    let forged = payment(&world, "/paid", wallet, &Payer::random(), &[1]).await;
    call(&world, "/paid", &forged).await.expect_refusal(402, "invalid_permit2_signature");
    world.settled(2 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_who_signs_wrong_for_a_contract_is_refused_is_told_nothing_and_asks_the_chain_no_more_than_so_often()
 {
    let world = PublicWorld::paid().await;
    let (owner, other) = (Payer::random(), Payer::random());
    let wallet = world.network.wallet(owner.address(), 1, 10 * PRICE).await;
    let paid = payment(&world, "/paid", wallet, &owner, &[1]).await;
    call(&world, "/paid", &paid).await.expect_status(200);
    // By another key, of the payment that was served: neither its answer nor that there was one.
    let mut stolen = paid.clone();
    other.sign(&mut stolen);
    call(&world, "/paid", &stolen).await.expect_refusal(402, SIGNATURE);
    // In the name of no contract: as before there were any.
    let bytes = paid.signature();
    let nobody = payment(&world, "/paid", Address::repeat_byte(0x55), &owner, &[1]).await;
    call(&world, "/paid", &nobody).await.expect_refusal(400, "invalid_payload");
    let nobody = nobody.with_signature(&bytes[..65]);
    call(&world, "/paid", &nobody).await.expect_refusal(402, SIGNATURE);

    let begun = std::time::Instant::now();
    let mut refused = 0;
    let stopped = async {
        loop {
            let forged = payment(&world, "/paid", wallet, &other, &[1]).await;
            let response = call(&world, "/paid", &forged).await;
            match response.status {
                402 => refused += 1,
                503 => break response,
                status => panic!("{status}: {}", response.text()),
            }
        }
    };
    let stopped = tests::within("the chain to be left alone", stopped).await;
    assert_eq!(&*stopped.code(), "settlement_unavailable");
    let most = 16 + begun.elapsed().as_secs();
    assert!((1..=most).contains(&refused), "{refused} of at most {most}");
    // It holds up that wallet alone.
    let neighbour = world.network.wallet(owner.address(), 2, 10 * PRICE).await;
    let paid = payment(&world, "/paid", neighbour, &owner, &[]).await;
    call(&world, "/paid", &paid).await.expect_status(200);
    world.buy(&world.payer(PRICE).await, &Request::get("/paid")).await.expect_status(200);
    assert_eq!(world.upstream.seen().len(), 3);
    world.settled(3 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_changes_hands_before_it_is_settled_pays_nothing_and_is_served_nothing() {
    for world in [PublicWorld::paid().await, PublicWorld::settling_itself("", routes()).await] {
        let (owner, gate) = (Payer::random(), Gate::new());
        let wallet = world.network.wallet(owner.address(), 1, 10 * PRICE).await;
        world.upstream.on("/paid", Script::reply(200, &[], "secret").after(&gate));
        let paid = payment(&world, "/paid", wallet, &owner, &[1]).await;
        let request = Request::get("/paid").paying(paid.header());
        let (response, ()) = tokio::join!(world.gateway.call(&request), async {
            gate.reached().await;
            world.network.hand_over(wallet, Payer::random().address()).await;
            gate.open();
        });
        response.expect_refusal(402, "settlement_failed");
        assert!(!response.text().contains("secret"));
        world.settled(0).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_contract_that_changes_hands_after_it_was_served_is_written_off_and_its_payer_pays_first() {
    let later = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let lines = "max_timeout = \"12s\"\nmargin = \"2s\"";
    let world = PublicWorld::facilitated_on(lines, "settle_timeout = \"4s\"", [later]).await;
    world.network.mine_every(1).await;
    let owner = Payer::random();
    let wallet = world.network.wallet(owner.address(), 1, 10 * PRICE).await;
    let gate = Gate::new();
    world.facilitator.on(Call::Verify, Conduct::honest().at(&gate));
    let paid = payment(&world, "/paid", wallet, &owner, &[1]).await;
    call(&world, "/paid", &paid).await.expect_status(200);
    world.network.hand_over(wallet, Payer::random().address()).await;
    gate.open();
    world.facilitator.on(Call::Verify, Conduct::honest());
    let told = until("the loss to be told", || async {
        let page = world.gateway.ask("GET", "/v1/events?type=payment.written_off", None).await;
        page["data"].as_array().expect("events").first().cloned()
    })
    .await;
    assert_eq!(told["data"]["payer"], wallet.to_checksum(None), "{told}");
    world.settled(0).await;
    world.network.hand_over(wallet, owner.address()).await;
    let again = until("its owner to sign for it again", || async {
        let paid = payment(&world, "/paid", wallet, &owner, &[1]).await;
        let response = call(&world, "/paid", &paid).await;
        (response.status == 200).then_some(response)
    })
    .await;
    assert_ne!(again.receipt()["transaction"], "", "settled before it was served");
    world.settled(PRICE).await;
    world.finish().await;
}

/// Of a wallet that is still to be made, and has money already.
struct ToBe {
    owner: Payer,
    wallet: Address,
    factory: Address,
}

impl ToBe {
    async fn new(world: &PublicWorld, factory: Address) -> Self {
        let owner = Payer::random();
        let wallet = world.network.wallet_of(factory, owner.address(), 7).await;
        world.network.fund(wallet, 10 * PRICE).await;
        Self { owner, wallet, factory }
    }

    async fn payment(&self, world: &PublicWorld) -> Payment {
        let making = Network::making_wallet(self.owner.address(), 7);
        payment(world, "/paid", self.wallet, &self.owner, &[1]).await.to_be_made(self.factory, &making)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_still_to_be_made_pays_through_a_facilitator_that_makes_it() {
    pays_and_is_made(PublicWorld::with(LONG, routes()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_still_to_be_made_pays_and_we_make_it() {
    pays_and_is_made(PublicWorld::making_wallets(LONG, routes()).await).await;
}

async fn pays_and_is_made(world: PublicWorld) {
    let payer = ToBe::new(&world, Network::wallet_factory()).await;
    assert!(!world.network.has_code(payer.wallet).await);
    let mut forged = payer.payment(&world).await;
    forged = forged.with("/payload/authorization/nonce", Value::from(tests::payer::random_hex()));
    call(&world, "/paid", &forged).await.expect_refusal(402, SIGNATURE);
    // It is made once, and pays again as it did.
    for _ in 0..2 {
        let response = call(&world, "/paid", &payer.payment(&world).await).await;
        assert_eq!(response.status, 200, "{}\n{}", response.text(), world.gateway.log());
        assert!(world.network.has_code(payer.wallet).await, "it was made");
    }
    world.settled(2 * PRICE).await;
    assert_eq!(world.network.balance(payer.wallet).await, 8 * PRICE);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_nobody_makes_here_is_refused_and_told_what_to_do() {
    let world = PublicWorld::making_wallets("", routes()).await;
    let payer = ToBe::new(&world, world.network.another_factory().await).await;
    let refused = call(&world, "/paid", &payer.payment(&world).await).await;
    refused.expect_refusal(402, "invalid_exact_evm_payload_undeployed_smart_wallet");
    assert!(refused.text().contains("deploy it on eip155:84532"), "{}", refused.text());
    assert!(world.upstream.seen().is_empty());
    world.settled(0).await;
    world.finish().await;
}
