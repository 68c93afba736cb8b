-- Where devices find a gateway by CoAP over TLS (RFC 8323); null where it does not serve that.
alter table gateway_instance add column coaps_tcp_uri text;
