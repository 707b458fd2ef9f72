-- The same tables as on SQLite (migrations/sqlite/registry). What was changed, by whom, and what follows from it. All writes
-- come one after the other (one lock), so the numbers here are commit order: a reader who has seen a number has seen every
-- smaller one.

-- One row: the last numbers given. They outlive the rows, which are deleted when they are old.
create table journal (
    single   bigint  not null primary key check (single = 1),
    change   bigint  not null check (change >= 0),
    position bigint  not null check (position >= 0),
    -- The hash of the last change.
    head     bytea   not null check (length(head) = 32)
);

insert into journal (single, change, position, head) values (1, 0, 0, decode(repeat('00', 32), 'hex'));

-- The audit log. `hash` covers the row and the hash before it: who changes or takes out a row breaks the chain.
create table change (
    seq          bigint  not null primary key,
    id           bytea   not null unique check (length(id) = 16),
    at           bigint  not null,
    actor_kind   text    not null check (actor_kind in ('token', 'key', 'file', 'system')),
    actor        text    not null,
    action       text    not null,
    subject_kind text    not null,
    subject      text    not null,
    -- Whose tenants' it is; null is nobody's.
    provider     text,
    owner        text,
    -- JSON, without secrets. Null is nothing.
    before       text check (before is null or json_typeof(before::json) is not null),
    after        text check (after is null or json_typeof(after::json) is not null),
    request      text,
    hash         bytea   not null check (length(hash) = 32)
);

create index change_subject on change (subject_kind, subject, seq);
create index change_provider on change (provider, seq) where provider is not null;
create index change_owner on change (owner, seq) where owner is not null;

create function change_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is never changed';
end $$;
create trigger change_is_final before update or delete on change for each row execute function change_is_final();

-- What webhooks, streams and readers are told.
create table event (
    position bigint  not null primary key,
    id       bytea   not null unique check (length(id) = 16),
    type     text    not null,
    at       bigint  not null,
    provider text,
    owner    text,
    subject  text    not null,
    data     text    not null check (json_typeof(data::json) is not null)
);

create index event_provider on event (provider, position) where provider is not null;
create index event_owner on event (owner, position) where owner is not null;

-- Who may call the management API. `subject` is the provider or the owner that a key is bound to.
create table api_key (
    id           bytea   not null primary key check (length(id) = 16),
    name         text    not null,
    secret_hash  bytea   not null check (length(secret_hash) = 32),
    role         text    not null check (role in ('admin', 'provider', 'owner')),
    subject      text    check ((role = 'admin') = (subject is null)),
    read_only    boolean not null,
    -- A JSON list; null is everything that the role may.
    scopes       text    check (json_typeof(scopes::json) = 'array'),
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint,
    created_at   bigint  not null
);

-- Calls of the management API by the caller's word for them, for 24 hours. Without an answer it is still running.
create table idempotent_call (
    key        bytea   not null primary key check (length(key) = 32),
    request    bytea   not null check (length(request) = 32),
    status     bigint,
    body       bytea,
    at         bigint  not null
);

create index idempotent_call_at on idempotent_call (at);
