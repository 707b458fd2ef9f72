-- Payments on public networks that are no EVM ones: addresses and transactions are kept as they are written there, while those of EVM
-- networks have 20 and 32 bytes.
-- Of such payments `owed` of a hold says that somebody was asked to settle it, and only `settled` closes one.

alter table intent
    drop constraint intent_token_check,
    drop constraint intent_payer_check,
    drop constraint intent_pay_to_check,
    drop constraint intent_hash_check,
    add constraint intent_names_check check (case when substr(network, 1, 7) = 'eip155:'
        then length(token) = 20 and length(payer) = 20 and length(pay_to) = 20 and coalesce(length(hash) = 32, true)
        else length(token) between 1 and 96 and length(payer) between 1 and 96 and length(pay_to) between 1 and 96
            and coalesce(length(hash) between 1 and 96, true) end);
-- There one transaction pays once: what names one that has paid is no payment.
create index intent_foreign on intent (network, hash) where substr(network, 1, 7) <> 'eip155:' and hash is not null;

alter table voided
    drop constraint voided_token_check,
    drop constraint voided_payer_check,
    drop constraint voided_pay_to_check,
    add constraint voided_names_check check (length(token) between 1 and 96 and length(payer) between 1 and 96
        and length(pay_to) between 1 and 96);
