//! The bad days: `kill -9` at every point of a payment's life, ends and upgrades, disks and files, and the database gone,
//! slow, or somebody else's. What was acknowledged is in the books, nothing is there twice, and a payment whose delivery
//! is unknown is delivered once more, free.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod backup;
mod damage;
mod dependencies;
mod disk;
mod durable;
mod ending;
mod journal;
mod load;
mod moments;
mod movers;
mod owners;
mod settlements;
mod storm;
mod upgrade;
mod visitors;
