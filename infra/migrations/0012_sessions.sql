-- Sessions of browsers. A token itself isn't stored, so nobody who reads this table can use a session.
create table sessions (
  token_hash bytea primary key check (octet_length(token_hash) = 32),
  -- The caller's id, as in the log: env:<name>, key:<id> or oidc:<host>:<subject>.
  owner text not null check (length(owner) between 1 and 1000),
  -- The key in api_keys, if the session belongs to one. The session ends with it.
  key_id int references api_keys on delete cascade,
  -- HMAC of what the session depends on, under the token: the key, or the settings of the issuer.
  proof bytea not null check (octet_length(proof) = 32),
  -- Only for a person who signed in with the issuer. A key has its own.
  name text,
  scope text check (scope in ('read', 'run', 'write', 'admin')),
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  constraint person_whole check ((name is null) = (scope is null)),
  constraint key_or_person check (key_id is null or scope is null)
);

create index sessions_owner on sessions (owner, last_used_at);
create index sessions_age on sessions (last_used_at);
create index sessions_key on sessions (key_id) where key_id is not null;
