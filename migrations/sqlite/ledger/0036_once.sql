-- Which voided signatures have one nonce: it moves once, under whatever name. A voided one of which a difference was written stays, so that
-- it is known whose money that is.
create index voided_nonce on voided (substr(replay_key, 9));

-- Whether another transfer left by a transaction, and what left in the last hours.
create index outgoing_hash on outgoing (hash) where hash is not null;
create index outgoing_paid on outgoing (changed_at, id) where state = 'paid';
