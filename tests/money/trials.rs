//! What the control plane says would be, against what the gateway then does; limits on parts of what is sold, free calls,
//! and keys that are for some of it.
