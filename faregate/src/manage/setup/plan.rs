//! [`Plan`]: what has to be done so that what is there is what a file says, and the doing.
//!
//! A plan is made of what is there now, so a file that was applied in part is applied again: what is done is not done twice.

use std::collections::HashMap;

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};

use super::file::Mistakes;
use super::names::Names;
use crate::manage::Api;
use crate::manage::input::{Input, escape};
use crate::manage::refusal::Refusal;
use crate::progress::Progress;
use crate::random;

/// Changes between two plain lines of progress.
const PROGRESS_STEP: u64 = 500;

/// Something that a file names, and that the API knows by an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// By its label.
    Wallet(String),
    /// By its name.
    Agent(String),
    /// By its place in the file.
    Webhook(usize),
}

/// A call of the API.
pub(super) struct Call {
    method: Method,
    /// `{}` stands for the id of what it is about.
    path: String,
    about: Option<Thing>,
    body: Option<Value>,
    /// Its id is the body's member `wallet`.
    wallet: Option<Thing>,
    /// Whose id the answer holds.
    makes: Option<Thing>,
}

/// A call that the API tries without making it.
pub(super) struct Trial {
    input: Input,
    /// Where in the file its body comes from, as a JSON pointer.
    place: String,
}

/// One change and the calls that make it.
pub(super) struct Step {
    /// As the API tells changes: one, but for the catalog, which changes as a whole.
    pub(super) changes: Vec<Value>,
    pub(super) calls: Vec<Call>,
}

/// What is to be done, in order.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// What the file names, with the id where there is one yet.
    pub(super) things: HashMap<Thing, Option<String>>,
    pub(super) mistakes: Mistakes,
    /// What may be named; none where it is not known.
    pub(super) names: Option<Names>,
}

/// What came of a plan.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) done: Vec<Value>,
    /// The first of them may be done in part.
    pub(super) left: Vec<Value>,
    /// What secrets were made: each is known here and nowhere else.
    pub(super) secrets: Vec<Value>,
    pub(super) stopped: Option<anyhow::Error>,
}

/// A change as the API tells it; `places` are what differs.
pub(super) fn change(kind: &str, name: &str, change: &str, places: &[&str]) -> Value {
    let differences: Vec<Value> = places.iter().map(|place| json!({ "pointer": place })).collect();
    json!({ "kind": kind, "name": name, "change": change, "differences": differences })
}

/// Freezes or thaws one of these. What its owner froze elsewhere stays the owner's to thaw.
pub(super) fn freezing(kind: &str, frozen: bool, by_owner: Option<bool>) -> Call {
    let verb = match (frozen, by_owner) {
        (true, Some(true)) => "freeze?as_owner=true",
        (true, _) => "freeze",
        (false, _) => "thaw",
    };
    Call::new(Method::POST, format!("/v1/{kind}/{{}}/{verb}"))
}

/// True of what its owner froze, as the API shows it.
pub(super) fn frozen_by_owner(view: &Value) -> Option<bool> {
    (view["frozen"] == true && view["frozen_by_operator"] == false).then_some(true)
}

async fn send(api: &Api, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let key = if method == Method::POST { Some(format!("cli-{}", random::hex()?)) } else { None };
    let input = Input { body, idempotency_key: key, ..Input::of(method, path, Vec::new()) };
    let text = api.text(&input).await?;
    if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}

// === impl Call ===

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), about: None, body: None, wallet: None, makes: None }
    }

    pub(super) fn about(self, thing: &Thing) -> Self {
        Self { about: Some(thing.clone()), ..self }
    }

    pub(super) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn wallet(self, label: Option<&String>) -> Self {
        Self { wallet: label.map(|label| Thing::Wallet(label.clone())), ..self }
    }

    pub(super) fn makes(self, thing: &Thing) -> Self {
        Self { makes: Some(thing.clone()), ..self }
    }
}

// === impl Trial ===

impl Trial {
    pub(super) fn new(method: Method, path: &str, body: Value, place: String) -> Self {
        let dry_run = vec![("dry_run".to_owned(), "true".to_owned())];
        Self { input: Input { body: Some(body), ..Input::of(method, path, dry_run) }, place }
    }

    /// With this parameter as well.
    pub(super) fn set(mut self, name: &str) -> Self {
        self.input.query.push((name.to_owned(), "true".to_owned()));
        self
    }

    /// What the API answers; none where it refuses, and why is among the mistakes.
    ///
    /// # Errors
    /// The API cannot be asked, or refuses for a reason that is not in the file.
    pub(super) async fn run(self, api: &Api, mistakes: &mut Mistakes) -> anyhow::Result<Option<Value>> {
        let refusal = match api.ask(&self.input).await {
            Ok(tried) => return Ok(Some(tried)),
            Err(error) => error.downcast::<Refusal>()?,
        };
        if refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let fields = refusal.fields.into_iter();
        fields.for_each(|(at, message)| mistakes.add(format!("{}{at}", self.place), message));
        Ok(None)
    }
}

// === impl Plan ===

impl Plan {
    /// Adds a change, unless it is none.
    pub(super) fn add(&mut self, change: Value, calls: Vec<Call>) {
        if !calls.is_empty() {
            self.steps.push(Step { changes: vec![change], calls });
        }
    }

    /// The id of what the file names; none where it is still to be made.
    pub(super) fn id(&self, thing: &Thing) -> Option<&str> {
        self.things.get(thing)?.as_deref()
    }

    /// A mistake unless the file has a wallet of this label.
    pub(super) fn expect_wallet(&mut self, label: &str, pointer: String) {
        if !self.things.contains_key(&Thing::Wallet(label.to_owned())) {
            self.mistakes.add(pointer, format!("none of [[wallets]] here is called `{label}`"));
        }
    }

    /// All changes, of which none is made.
    pub(super) fn tried(&self) -> Outcome {
        let changes = self.steps.iter().flat_map(|step| step.changes.iter().cloned());
        Outcome { done: changes.collect(), ..Outcome::default() }
    }

    /// Makes all changes, or those before the first that cannot be made. `tell` hears of each secret at once.
    pub(super) async fn run(&mut self, api: &Api, mut tell: impl FnMut(&Value)) -> Outcome {
        let mut outcome = Outcome::default();
        let mut progress = Progress::of("changes").told_every(PROGRESS_STEP);
        for Step { changes, calls } in std::mem::take(&mut self.steps) {
            if outcome.stopped.is_some() {
                outcome.left.extend(changes);
                continue;
            }
            match self.make(api, calls, &mut outcome.secrets, &mut tell).await {
                Ok(()) => {
                    progress.add(u64::try_from(changes.len()).unwrap_or_default());
                    outcome.done.extend(changes);
                }
                Err(error) => {
                    outcome.stopped = Some(error);
                    outcome.left.extend(changes);
                }
            }
        }
        outcome
    }

    async fn make(
        &mut self,
        api: &Api,
        calls: Vec<Call>,
        secrets: &mut Vec<Value>,
        tell: &mut impl FnMut(&Value),
    ) -> anyhow::Result<()> {
        for Call { method, path, about, mut body, wallet, makes } in calls {
            let id = |thing: &Thing| self.id(thing).context("what it belongs to was not made");
            let path = match &about {
                Some(thing) => path.replace("{}", &escape(id(thing)?)),
                None => path,
            };
            if let (Some(wallet), Some(body)) = (&wallet, &mut body) {
                body["wallet"] = id(wallet)?.into();
            }
            let answer = send(api, method, &path, body).await?;
            if answer["secret"].is_string() {
                let secret =
                    json!({ "webhook": answer["id"], "url": answer["url"], "secret": answer["secret"] });
                tell(&secret);
                secrets.push(secret);
            }
            if let Some(made) = makes {
                let id = answer["id"].as_str().context("the API does not say what it made")?;
                self.things.insert(made, Some(id.to_owned()));
            }
        }
        Ok(())
    }
}
