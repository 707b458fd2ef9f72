-- The payments of an agent, for lists: by the index `payment_agent`. On SQLite they are entered many batches at a time.
create view payment_of_agent (agent, seq) as select agent, seq from payment;
