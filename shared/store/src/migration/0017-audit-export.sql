-- The control plane hands out exports of the audit trail: entries and heads of the chain, which hold no organization's events.
grant select on audit_chain, audit_head, audit_head_key to sallyport_control_plane;

-- An export begins at the last head before a time and ends at the first one after another.
create index audit_head_signed_at on audit_head (signed_at, sequence);
