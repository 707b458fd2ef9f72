-- Holds are judged in memory, and few stand at a time: whoever asks for a wallet's reads them all. Each hold of a call was written into
-- these two and taken out of them again, for a seventh of what its commit cost the database.
drop index hold_wallet;
drop index hold_agent;
