//! The ledger from outside its modules: real files, real threads, and a store that fails when it is told to.
//! Every test ends with the audit of memory and books, and with nothing held.

mod kit;
mod money;
