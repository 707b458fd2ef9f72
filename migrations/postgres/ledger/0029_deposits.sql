-- A payment on a public network that funds a wallet: which one. Its payment is credited to the account of the provider `@deposits`, and
-- a funding of the payment's own name, in the same batch, gives it to the wallet.
alter table intent add column deposit bytea check (length(deposit) = 16);
