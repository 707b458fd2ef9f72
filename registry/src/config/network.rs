//! [`NetworkSettings`]: a public network on which payments are taken: its nodes, its tokens, and who settles there.
//!
//! Values and defaults only. Next: [`read`] for `[[networks]]`, [`settler`] for who settles, [`token`] for tokens that need no
//! words.

mod foreign;
mod read;
mod settler;
mod token;

use std::time::Duration;

use domain::{Address, Amount, Network, Secret};

pub use foreign::ForeignSettings;
pub(super) use foreign::caip2;
pub(super) use read::{Public, all};

/// A network of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// What offers say of it.
    pub network: Network,
    /// Where its nodes answer JSON-RPC, the preferred one first; at least one. URLs hold API keys.
    pub nodes: Vec<Secret>,
    /// Blocks on top of one before what it holds counts. 0: the last one counts.
    pub confirmations: u64,
    /// The most that one payer may have verified and not settled yet: what is at stake where its payments fail.
    pub payer_unsettled_max: Amount,
    /// The most that people may give back from the treasury in a day, UTC; none: as much as they like.
    pub refunds_per_day_max: Option<Amount>,
    /// Who sends payments to the chain.
    pub settler: SettlerSettings,
}

/// Who sends payments to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlerSettings {
    /// Others; at least one.
    Facilitators(Vec<FacilitatorSettings>),
    /// This gateway, in transactions of its own.
    Evm(EvmSettings),
}

/// One facilitator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacilitatorSettings {
    /// Such as `https://facilitator.example`, without a slash at its end; its calls are below it.
    pub url: String,
    /// Its part of the settlements, beside the weights of the others. 0: only where the others fail.
    pub weight: u32,
    /// Settlements at once; more wait.
    pub running_max: usize,
    /// How long a verification may take: the payer waits for it.
    pub verify_timeout: Duration,
    /// How long a settlement may take before its outcome is unknown.
    pub settle_timeout: Duration,
    /// Header fields of `POST /verify`, by name in lower case.
    pub verify_headers: Vec<(String, Secret)>,
    /// Those of `POST /settle`.
    pub settle_headers: Vec<(String, Secret)>,
    /// Those of `GET /supported`.
    pub supported_headers: Vec<(String, Secret)>,
}

/// Transactions of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvmSettings {
    /// The key of the account that sends and pays for gas: 64 hexadecimal digits. It holds nobody's payments, unless it is the treasury's.
    pub key: Secret,
    /// The most that a unit of gas may cost, tip included, in wei.
    pub max_fee_per_gas: u64,
    /// Blocks without a transaction that was sent until more is offered for its gas.
    pub bump_after: u64,
    /// How long the first payment waits for others to come along, where no transaction is on its way.
    pub batch_interval: Duration,
    /// Factories that are called for payers whose contracts are not there yet (ERC-6492): their gas is the operator's.
    pub factories: Vec<Address>,
    /// How many transactions the key had sent before Faregate had it, or before a backup that was restored was brought up to date.
    pub first_nonce: u64,
}

/// [`NetworkSettings::confirmations`] where nothing is said.
pub const CONFIRMATIONS: u64 = 10;

/// [`Network::max_timeout_seconds`] where nothing is said.
pub const MAX_TIMEOUT_SECONDS: u64 = 60;

/// [`Network::margin_seconds`] where nothing is said.
pub const MARGIN_SECONDS: u64 = 10;

/// [`NetworkSettings::payer_unsettled_max`] where nothing is said, in millionths of a dollar.
pub const PAYER_UNSETTLED_MAX: i64 = 10_000_000;

/// How long a transaction of our own has to land in a block, an offer that was too low included.
const LANDING: Duration = Duration::from_secs(15);

// === impl NetworkSettings ===

impl NetworkSettings {
    /// Whether a payment that is settled later has time for two attempts: what fails once must not be lost.
    #[must_use]
    pub fn can_defer(&self) -> bool {
        let attempts = self.settler.attempt().saturating_mul(2);
        let margin = Duration::from_secs(self.network.margin_seconds);
        attempts.saturating_add(margin) <= Duration::from_secs(self.network.max_timeout_seconds)
    }

    /// Whether what came into its treasury can leave it again: only who settles by itself sends anything. The key must be the treasury's own.
    #[must_use]
    pub fn can_give_back(&self) -> bool {
        self.network.treasury.is_some() && matches!(self.settler, SettlerSettings::Evm(_))
    }
}

// === impl SettlerSettings ===

impl SettlerSettings {
    /// Its word in the configuration and the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Facilitators(_) => "facilitator",
            Self::Evm(_) => "evm",
        }
    }

    /// How long one attempt to settle a payment may take until it is known to have failed.
    fn attempt(&self) -> Duration {
        match self {
            Self::Facilitators(all) => all.iter().map(|one| one.settle_timeout).max().unwrap_or_default(),
            Self::Evm(evm) => evm.batch_interval.saturating_add(LANDING),
        }
    }
}
