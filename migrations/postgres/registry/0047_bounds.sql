-- The audit log is never pruned: whoever looks for one kind of thing goes through no other entries.
create index change_kind on change (subject_kind, seq);
create index change_provider_kind on change (provider, subject_kind, seq) where provider is not null;
create index change_owner_kind on change (owner, subject_kind, seq) where owner is not null;

-- When a key was rotated, and when it would have ended without: whoever rotates it again gets a key of its own terms.
alter table agent_key add column rotated_at bigint;
alter table agent_key add column term bigint;

-- Keys of the file that were revoked over the API. The file does not bring them back.
create table revoked_key (
    id bytea   not null primary key check (length(id) = 16),
    at bigint not null
);
