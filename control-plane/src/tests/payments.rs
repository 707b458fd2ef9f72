//! Payments over the API: every filter in pages and as CSV, timelines, refunds and who may make them.

use std::sync::atomic::{AtomicU8, Ordering};

use registry::Role;

use super::*;

mod onchain;
mod unknown;

/// Payments made by tests of this process: each is called otherwise.
static MADE: AtomicU8 = AtomicU8::new(0);

/// A payment as a test made it.
#[derive(Clone)]
struct Made {
    id: String,
    agent: usize,
    provider: &'static str,
    route: &'static str,
    units: i64,
    state: &'static str,
}

/// Agents `a0` and `a1` of the owner `lab`, and `a2` of nobody; twelve payments of theirs.
struct Scene {
    house: House,
    agents: Vec<(String, String)>,
    made: Vec<Made>,
}

impl House {
    /// A captured and delivered payment, with a fee of 2.5%.
    pub(super) async fn buy(
        &self,
        (provider, route): (&str, &str),
        (agent, wallet): (&str, &str),
        units: i64,
    ) -> PaymentId {
        self.ledger.open_provider(provider).await.unwrap();
        let request = self.hold_request((provider, route), (agent, wallet), units);
        let payment = request.payment;
        let Held::Hold(hold) = self.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        hold.capture().await.unwrap().delivered();
        payment
    }

    pub(super) fn hold_request(
        &self,
        (provider, route): (&str, &str),
        (agent, wallet): (&str, &str),
        units: i64,
    ) -> HoldRequest {
        HoldRequest {
            intent: None,
            payment: PaymentId::generate(Still.now(), [MADE.fetch_add(1, Ordering::Relaxed); 10]),
            agent: agent.parse().unwrap(),
            wallet: wallet.parse().unwrap(),
            provider: provider.into(),
            route: route.into(),
            price: Price::Fixed(Amount::from_atomic(units).unwrap()),
            capture: Capture::After,
            revision: 1,
            fee: BasisPoints::new(250).unwrap(),
            per_day: None,
            per_month: None,
            limits: Vec::new(),
            free_per_day: 0,
            replay: None,
            digest: None,
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([1; 16]),
            unsettled_max: None,
        }
    }

    /// An agent of an owner with $100: its id and its wallet.
    pub(super) async fn rich(&self, name: &str, owner: Option<&str>) -> (String, String) {
        let body = json!({ "name": name, "owner": owner });
        let made = self.admin("POST", "/v1/agents", Some(body)).await.expect(201);
        let (agent, wallet) = (text(&made["id"]), text(&made["wallet"]));
        let body = json!({ "amount": "$100", "external_reference": "x" });
        self.fund(&wallet, &format!("fund-{name}"), body).await.expect(200);
        (agent, wallet)
    }

    pub(super) async fn refund(&self, key: &str, word: &str, payment: &str, body: Value) -> Answer {
        let call = Call::new("POST", &format!("/v1/payments/{payment}/refund"));
        let call = call.with("Authorization", &format!("Bearer {key}")).with("Idempotency-Key", word);
        self.call(call.json(&body)).await
    }
}

impl Scene {
    async fn new() -> Self {
        let house = House::control().await;
        let mut agents = Vec::new();
        for (name, owner) in [("a0", Some("lab")), ("a1", Some("lab")), ("a2", None)] {
            agents.push(house.rich(name, owner).await);
        }
        let mut made = Vec::new();
        for number in 0..12_usize {
            let (agent, provider) = (number % 3, ["acme", "blue"][number % 2]);
            let route = ["quotes", "maps"][number / 2 % 2];
            let units = 100_000 * (i64::try_from(number).unwrap() + 1);
            let payer = (&*agents[agent].0, &*agents[agent].1);
            let id = house.buy((provider, route), payer, units).await.to_string();
            let state = ["captured", "refunded", "partly_refunded"][number % 5 % 3];
            if state != "captured" {
                let body = if state == "refunded" { json!({}) } else { json!({ "amount": "$0.01" }) };
                house.refund(TOKEN, &format!("back-{number}"), &id, body).await.expect(200);
            }
            made.push(Made { id, agent, provider, route, units, state });
        }
        Self { house, agents, made }
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        self.house.call(Call::new("GET", path).with("Authorization", &format!("Bearer {key}"))).await
    }

    async fn csv(&self, key: &str, path: &str) -> String {
        let call = Call::new("GET", path).with("Authorization", &format!("Bearer {key}"));
        let answer = self.house.call(call.with("Accept", "text/csv")).await;
        assert!(answer.head.contains("text/csv"), "{}", answer.head);
        answer.body
    }

    /// All pages are the payments that fit, newest first, and the CSV says the same.
    async fn expect(&self, key: &str, filter: &str, fits: impl Fn(&Made) -> bool) {
        let expected: Vec<&str> =
            self.made.iter().rev().filter(|made| fits(made)).map(|made| &*made.id).collect();
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(key, &format!("/v1/payments?limit=5{filter}{after}")).await.expect(200);
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let found: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{filter}");
        let csv = self.csv(key, &format!("/v1/payments?{}", filter.trim_start_matches('&'))).await;
        let mut lines = csv.lines();
        let columns: Vec<String> = lines.next().unwrap().split(',').map(str::to_owned).collect();
        let cell = |row: &Value, column: &str| {
            let value = column.split('.').fold(row, |value, name| &value[name]);
            match value {
                Value::Null => String::new(),
                value => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            }
        };
        let line = |row: &Value| columns.iter().map(|column| cell(row, column)).collect::<Vec<_>>().join(",");
        let as_json: Vec<String> = rows.iter().map(line).collect();
        assert_eq!(lines.collect::<Vec<_>>(), as_json, "{filter}");
    }
}

#[tokio::test]
async fn payments_are_found_by_every_filter_page_by_page_and_the_csv_says_the_same() {
    let scene = Scene::new().await;
    scene.expect(TOKEN, "", |_| true).await;
    let (agent, wallet) = &scene.agents[1];
    scene.expect(TOKEN, &format!("&agent={agent}"), |made| made.agent == 1).await;
    scene.expect(TOKEN, &format!("&wallet={wallet}"), |made| made.agent == 1).await;
    scene.expect(TOKEN, &format!("&wallet={wallet}&agent={}", scene.agents[0].0), |_| false).await;
    scene.expect(TOKEN, "&provider=blue", |made| made.provider == "blue").await;
    scene.expect(TOKEN, "&route=maps", |made| made.route == "maps").await;
    scene.expect(TOKEN, "&provider=nobody", |_| false).await;
    for state in ["captured", "partly_refunded", "refunded", "written_off"] {
        scene.expect(TOKEN, &format!("&state={state}"), |made| made.state == state).await;
        let filter = format!("&state={state}&provider=acme&agent={agent}");
        scene
            .expect(TOKEN, &filter, |made| (made.state, made.provider, made.agent) == (state, "acme", 1))
            .await;
    }
    scene.expect(TOKEN, "&min_amount=$0.60", |made| made.units >= 600_000).await;
    scene.expect(TOKEN, "&from=2027-01-15&to=2027-01-16", |_| true).await;
    scene.expect(TOKEN, "&from=2027-01-16", |_| false).await;
    scene.expect(TOKEN, "&to=2027-01-15T08:00:00Z", |_| false).await;
    for bad in ["state=held", "min_amount=ten", "from=yesterday", "order=random", "limit=0"] {
        let answer = scene.get(TOKEN, &format!("/v1/payments?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.body);
    }
    scene.get(TOKEN, "/v1/payments?agent=x").await.expect_problem(404, "agent_not_found");
    let oldest = scene.get(TOKEN, "/v1/payments?order=oldest&limit=1").await.expect(200);
    assert_eq!(oldest["data"][0]["id"], json!(scene.made[0].id));
    scene.house.end().await;
}

#[tokio::test]
async fn a_payment_says_whether_it_was_one_of_the_free_calls() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", None).await;
    for _ in 0..2 {
        let request = house.hold_request(("acme", "quotes"), (&agent, &wallet), 1_000);
        let request = HoldRequest { free_per_day: 1, ..request };
        let Held::Hold(hold) = house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        hold.capture().await.unwrap().delivered();
    }
    let listed = house.admin("GET", "/v1/payments", None).await.expect(200);
    let told = [1, 0].map(|row| (&listed["data"][row]["free"], &listed["data"][row]["amount"]["amount"]));
    assert_eq!(told, [(&json!(true), &json!("0")), (&json!(false), &json!("1000"))]);
    let shown = house.admin("GET", &format!("/v1/payments/{}", text(&listed["data"][1]["id"])), None).await;
    assert_eq!(shown.expect(200)["free"], true);
    house.end().await;
}

#[tokio::test]
async fn o3_each_lists_the_payments_that_are_their_business() {
    let scene = Scene::new().await;
    let provider = scene.house.key_of(Role::Provider("acme".to_owned()), true).await;
    scene.expect(&provider, "", |made| made.provider == "acme").await;
    scene.expect(&provider, "&provider=blue", |_| false).await;
    let (agent, wallet) = &scene.agents[2];
    let both = |made: &Made| (made.provider, made.agent) == ("acme", 2);
    scene.expect(&provider, &format!("&agent={agent}"), both).await;
    scene.expect(&provider, &format!("&wallet={wallet}"), both).await;

    let owner = scene.house.key_of(Role::Owner("lab".to_owned()), true).await;
    scene.expect(&owner, "", |made| made.agent < 2).await;
    scene.expect(&owner, "&provider=blue", |made| made.agent < 2 && made.provider == "blue").await;
    scene.expect(&owner, &format!("&wallet={}", scene.agents[0].1), |made| made.agent == 0).await;
    let get = async |path: String| scene.get(&owner, &path).await;
    get(format!("/v1/payments?agent={agent}")).await.expect_problem(404, "agent_not_found");
    get(format!("/v1/payments?wallet={wallet}")).await.expect_problem(404, "wallet_not_found");
    get(format!("/v1/payments/{}", scene.made[2].id)).await.expect_problem(404, "payment_not_found");
    let none = scene.house.key_of(Role::Owner("none".to_owned()), true).await;
    scene.expect(&none, "", |_| false).await;

    // Whoever owns the wallet sees what is paid from it, whosever agent pays.
    let wallet = &scene.agents[0].1;
    let body = json!({ "name": "guest", "wallet": wallet, "owner": "none" });
    let guest = scene.house.admin("POST", "/v1/agents", Some(body)).await.expect(201);
    let payment = scene.house.buy(("acme", "quotes"), (&text(&guest["id"]), wallet), 5).await;
    for key in [&owner, &none] {
        let listed = scene.get(key, "/v1/payments?limit=1").await.expect(200);
        assert_eq!(listed["data"][0]["id"], json!(payment.to_string()));
        scene.get(key, &format!("/v1/payments/{payment}")).await.expect(200);
    }
    scene.house.end().await;
}

#[tokio::test]
async fn a_payment_is_given_back_in_parts_and_never_more_than_it_took() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", Some("lab")).await;
    let payment = house.buy(("acme", "quotes"), (&agent, &wallet), 1_000_000).await.to_string();
    let back = async |word: &str, body: Value| house.refund(TOKEN, word, &payment, body).await;
    let part = json!({ "amount": "$0.30", "reason": "requested" });
    let first = back("one", part.clone()).await.expect(200);
    assert_eq!((&first["fee"]["amount"], &first["remains"]["display"]), (&json!("7500"), &json!("$0.70")));
    assert_eq!(back("one", part).await.expect(200), first, "the same word is the same refund");
    back("one", json!({ "amount": "$0.31" })).await.expect_problem(422, "idempotency_key_reused");
    let second = back("two", json!({ "amount": "$0.50" })).await.expect(200);
    assert_eq!((&second["fee"]["amount"], &second["reason"]), (&json!("12500"), &json!("operator")));
    back("three", json!({ "amount": "$0.21" })).await.expect_problem(409, "conflict");
    let crumb = back("three", json!({ "amount": "$0.009999" })).await.expect_problem(409, "refund_part");
    assert!(text(&crumb["detail"]).contains("at least $0.01, of the $0.20 that are left"), "{crumb}");
    back("three", json!({ "amount": "$0" })).await.expect_problem(422, "invalid_field");
    back("three", json!({ "reason": "broken_off" })).await.expect_problem(422, "invalid_field");
    assert_eq!(back("four", json!({})).await.expect(200)["amount"]["display"], "$0.20");
    back("five", json!({})).await.expect_problem(409, "conflict");
    let nameless = house.admin("POST", &format!("/v1/payments/{payment}/refund"), Some(json!({}))).await;
    nameless.expect_problem(400, "idempotency_key_missing");

    let shown = house.admin("GET", &format!("/v1/payments/{payment}"), None).await.expect(200);
    assert_eq!((&shown["state"], &shown["refunded_fee"]["amount"]), (&json!("refunded"), &json!("25000")));
    let read = house.admin("GET", &format!("/v1/wallets/{wallet}"), None).await.expect(200);
    assert_eq!(read["balance"]["display"], "$100.00");
    house.tell().await;
    let path = format!("/v1/changes?subject_kind=payment&subject={payment}");
    let noted = house.admin("GET", &path, None).await.expect(200);
    let noted: Vec<&Value> = noted["data"].as_array().unwrap().iter().collect();
    assert_eq!(noted.len(), 3, "who gave back what stands in the audit log");
    assert_eq!(
        (&noted[2]["after"]["amount"]["display"], &noted[2]["owner"]),
        (&json!("$0.30"), &json!("lab"))
    );
    assert!(house.registry.verify_changes().await.unwrap().broken_at.is_none());
    house.end().await;
}

#[tokio::test]
async fn o3_a_provider_gives_back_its_own_and_an_owner_nothing() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", Some("lab")).await;
    let payment = house.buy(("acme", "quotes"), (&agent, &wallet), 1_000).await.to_string();
    let back = async |role: Role, read_only: bool, body: Value| {
        let key = house.key_of(role, read_only).await;
        house.refund(&key, "word", &payment, body).await
    };
    let acme = || Role::Provider("acme".to_owned());
    back(Role::Owner("lab".to_owned()), false, json!({})).await.expect_problem(403, "forbidden");
    back(acme(), true, json!({})).await.expect_problem(403, "forbidden");
    let other = Role::Provider("blue".to_owned());
    back(other, false, json!({})).await.expect_problem(404, "payment_not_found");
    let decided = json!({ "reason": "operator" });
    back(acme(), false, decided).await.expect_problem(422, "invalid_field");
    assert_eq!(back(acme(), false, json!({})).await.expect(200)["reason"], "requested");
    house.end().await;
}

#[tokio::test]
async fn a_timeline_tells_all_to_the_provider_and_nothing_of_settlements_to_the_owner() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", Some("lab")).await;
    let payment = house.buy(("acme", "quotes"), (&agent, &wallet), 1_000_000).await.to_string();
    house.refund(TOKEN, "one", &payment, json!({ "amount": "$0.10" })).await.expect(200);
    let tally = house.ledger.begin_tally("acme").await.unwrap().unwrap();
    let tally = house.ledger.extend_tally(tally, Still.now().plus(1)).await.unwrap();
    let closing = house.ledger.close_tally(&tally).await.unwrap().unwrap();
    let destination = domain::PayoutDestination::Wallet(wallet.parse().unwrap());
    house.ledger.settle(closing, destination).await.unwrap();

    let read = async |role: Role| {
        let key = house.key_of(role, true).await;
        let call = Call::new("GET", &format!("/v1/payments/{payment}/timeline"));
        let page = house.call(call.with("Authorization", &format!("Bearer {key}"))).await.expect(200);
        page["data"].as_array().unwrap().clone()
    };
    let words = |steps: &[Value]| steps.iter().map(|step| text(&step["what"])).collect::<Vec<_>>();
    let all = read(Role::Provider("acme".to_owned())).await;
    assert_eq!(words(&all), ["held", "captured", "refunded", "settled", "paid_out"]);
    assert_eq!((&all[1]["detail"], &all[2]["detail"]), (&json!("over"), &json!("operator")));
    // $1.00 less $0.10, and the fee of 2.5% of what is left.
    assert_eq!(all[3]["amount"]["display"], "$0.8775");
    assert_eq!(words(&read(Role::Owner("lab".to_owned())).await), ["held", "captured", "refunded"]);
    let settlement = text(&all[3]["id"]);
    let members =
        house.admin("GET", &format!("/v1/payments?settlement={settlement}"), None).await.expect(200);
    assert_eq!(members["data"][0]["id"], json!(payment));
    house.end().await;
}
