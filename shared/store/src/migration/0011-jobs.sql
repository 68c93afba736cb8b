-- Work that is done later: each row is claimed by one runner at a time, under a lease.

create table job (
  id uuid primary key,
  -- Null: the installation's own, no customer's.
  organization_id uuid references organization,
  kind text not null check (kind ~ '^[a-z]+(-[a-z]+)*$'),
  -- Gone once the job is done or dropped: it names people and may hold codes.
  payload jsonb,
  about text not null check (length(about) between 1 and 600),
  state text not null default 'queued' check (state in ('queued', 'running', 'waiting', 'done', 'dead', 'dropped')),
  attempts integer not null default 0 check (attempts >= 0),
  run_at timestamptz(3) not null default clock_timestamp(),
  -- Of the last try. A runner that was taken for dead cannot write its outcome over its successor's.
  runner uuid,
  lease_until timestamptz(3),
  last_error_code text,
  last_error text,
  correlation_id text not null check (length(correlation_id) between 1 and 128),
  created_at timestamptz(3) not null default clock_timestamp(),
  last_attempt_at timestamptz(3),
  finished_at timestamptz(3),
  check ((payload is null) = (state in ('done', 'dropped'))),
  check ((finished_at is null) = (state in ('queued', 'running', 'waiting'))),
  check ((state = 'running') = (lease_until is not null))
);
create index job_due on job (run_at) where state in ('queued', 'waiting', 'running');
create index job_list on job (organization_id, created_at desc, id desc);
create index job_dead on job (kind) where state = 'dead';
create index job_finished on job (finished_at) where finished_at is not null;
