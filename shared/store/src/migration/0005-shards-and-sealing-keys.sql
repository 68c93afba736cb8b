-- Who serves which shard of the devices' traffic, and what seals the state that gateways leave with others.

-- Each claim counts one on. The count goes into the sequence numbers that a holder sends: two that ever held a shard, the
-- later one while the earlier still runs, never use one number twice under one key.
create table gateway_shard (
  shard smallint primary key check (shard between 0 and 255),
  -- No reference: a shard is claimed before the gateway has a lease, so that what it takes over waits for nothing.
  gateway_id text not null check (length(gateway_id) between 1 and 100),
  takeovers bigint not null default 1 check (takeovers > 0),
  claimed_at timestamptz(3) not null default clock_timestamp()
);

-- The newest generation seals, the one before it still opens; older ones are gone, and with them what they sealed.
create table sealing_key (
  generation bigint primary key check (generation > 0),
  key_id bytea not null unique check (length(key_id) = 8),
  sealed_key bytea not null,
  created_at timestamptz(3) not null default clock_timestamp()
);
