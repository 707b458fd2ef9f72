//! The ledger from outside its modules: real files, real threads, and a store that fails when it is told to.
//! Every test but the simulation ends with the audit of memory and books, and with nothing held.

mod allowance;
mod audit;
mod calls;
mod changes;
mod crash;
mod deposits;
mod dry_runs;
mod durable;
mod failures;
mod followed;
mod foreign;
mod heirs;
mod kit;
mod lease;
mod limits;
mod metered;
mod money;
mod moving;
mod onchain;
mod opening;
mod outgoing;
mod postgres;
mod prepaid;
mod replay;
mod reports;
mod resolving;
mod round_trips;
mod settlements;
mod several;
mod several_chain;
mod several_unsettled;
mod shares;
mod simulation;
mod suspense;
mod tampered;
