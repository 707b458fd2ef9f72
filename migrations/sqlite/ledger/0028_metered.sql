-- What a call costs whose answer has begun to go out, though its process dies before it is captured: such a hold is captured for this
-- much by the next start, whatever its route says of `capture`. Null: nothing of the answer went out.
alter table hold add column owed integer check (owed between 0 and maximum);
