-- Whether a voided signature's nonce was signed again, by its payer.
create index intent_payer on intent (payer);
