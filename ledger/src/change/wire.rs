//! A [`Change`] as bytes. Numbers are big endian; a list begins with its length, a text with its own; what may be missing with a
//! byte that says whether it is there. Whoever does not know the version reads the books instead.

use domain::{
    AgentId, Amount, BasisPoints, Capture, Fingerprint, IdempotencyKey, PaymentId, Price, ReplayKey,
    UnixMillis, WalletId,
};

use super::{Change, Theirs};
use crate::batch::{AccountId, FoundHold, HeldAt};
use crate::books::windows::{limits, read_limits};
use crate::hold::HoldRequest;

const VERSION: u8 = 1;

/// What one hold takes, more or less.
const HOLD_BYTES: usize = 160;

// === impl Change ===

impl Change {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.begun.len() * HOLD_BYTES + self.captured.len() * 24);
        out.push(VERSION);
        list(&mut out, &self.begun, |out, theirs| theirs.put(out));
        list(&mut out, &self.captured, |out, (payment, gross)| {
            out.extend_from_slice(payment.as_bytes());
            out.extend_from_slice(&gross.atomic().to_be_bytes());
        });
        list(&mut out, &self.voided, |out, payment| out.extend_from_slice(payment.as_bytes()));
        list(&mut out, &self.wallets, |out, wallet| out.extend_from_slice(wallet.as_bytes()));
        list(&mut out, &self.agents, |out, agent| out.extend_from_slice(agent.as_bytes()));
        out
    }

    /// None for what another version wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        if rest.byte()? != VERSION {
            return None;
        }
        let change = Self {
            begun: rest.list(Theirs::take)?,
            captured: rest.list(|rest| Some((PaymentId::from_bytes(rest.fixed()?), rest.amount()?)))?,
            voided: rest.list(|rest| rest.fixed().map(PaymentId::from_bytes))?,
            wallets: rest.list(|rest| rest.fixed().map(WalletId::from_bytes))?,
            agents: rest.list(|rest| rest.fixed().map(AgentId::from_bytes))?,
        };
        rest.0.is_empty().then_some(change)
    }
}

// === impl Theirs ===

impl Theirs {
    fn put(&self, out: &mut Vec<u8>) {
        let FoundHold { request, held, free, owed: _ } = &self.hold;
        out.extend_from_slice(request.payment.as_bytes());
        out.extend_from_slice(request.agent.as_bytes());
        out.extend_from_slice(request.wallet.as_bytes());
        out.extend_from_slice(request.fingerprint.as_bytes());
        for number in [self.provider.0, request.price.maximum().unwrap_or_default().atomic(), held.at.0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.push(u8::from(*free));
        optional(out, request.per_day.map(|limit| limit.atomic().to_be_bytes()));
        optional(out, request.per_month.map(|limit| limit.atomic().to_be_bytes()));
        optional(out, request.replay.map(|key| *key.as_bytes()));
        optional(out, request.idempotency.map(|key| *key.as_bytes()));
        text(out, &request.route);
        // Most have none.
        text(out, &if request.limits.is_empty() { String::new() } else { limits(&request.limits) });
    }

    fn take(rest: &mut Rest<'_>) -> Option<Self> {
        let payment = PaymentId::from_bytes(rest.fixed()?);
        let agent = AgentId::from_bytes(rest.fixed()?);
        let wallet = WalletId::from_bytes(rest.fixed()?);
        let fingerprint = Fingerprint::from_bytes(rest.fixed()?);
        let provider = AccountId(rest.number()?);
        let price = Price::Fixed(rest.amount()?);
        let held = HeldAt::new(UnixMillis(rest.number()?));
        let free = rest.byte()? == 1;
        let limit = |units: Option<[u8; 8]>| match units {
            Some(units) => Amount::from_atomic(i64::from_be_bytes(units)).map(Some),
            None => Some(None),
        };
        let (per_day, per_month) = (limit(rest.optional()?)?, limit(rest.optional()?)?);
        let replay = rest.optional()?.map(ReplayKey::from_bytes);
        let idempotency = rest.optional()?.map(IdempotencyKey::from_bytes);
        let route = rest.text()?.into();
        let limits = match rest.text()? {
            "" => Vec::new(),
            listed => read_limits(listed).ok()?,
        };
        let request = HoldRequest {
            payment,
            agent,
            wallet,
            provider: "".into(),
            route,
            price,
            capture: Capture::After,
            revision: 0,
            fee: BasisPoints::default(),
            per_day,
            per_month,
            limits,
            free_per_day: 0,
            replay,
            digest: None,
            idempotency,
            fingerprint,
            intent: None,
            unsettled_max: None,
        };
        Some(Self { hold: FoundHold { request, held, free, owed: None }, provider })
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    out.extend_from_slice(&length(items.len()));
    items.iter().for_each(|item| put(out, item));
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&length(text.len()));
    out.extend_from_slice(text.as_bytes());
}

fn optional<const N: usize>(out: &mut Vec<u8>, bytes: Option<[u8; N]>) {
    out.push(u8::from(bytes.is_some()));
    out.extend_from_slice(bytes.as_ref().map_or(&[][..], |bytes| &bytes[..]));
}

/// A batch has a few thousand operations at most. One that had more would be read as damaged, and the books instead.
fn length(items: usize) -> [u8; 4] {
    u32::try_from(items).unwrap_or(u32::MAX).to_be_bytes()
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

// === impl Rest ===

impl<'a> Rest<'a> {
    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.fixed().map(|[byte]: [u8; 1]| byte)
    }

    fn number(&mut self) -> Option<i64> {
        self.fixed().map(i64::from_be_bytes)
    }

    fn amount(&mut self) -> Option<Amount> {
        Amount::from_atomic(self.number()?)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.fixed()?)).ok()
    }

    fn optional<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.fixed().map(Some),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn list<T>(&mut self, take: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.length()?).map(|_| take(self)).collect()
    }
}
