/** What the gateway is told. Everything else it needs (devices, trusted authorities, hub) stands in the database. */

import { type Configuration, coapsSettings, redisSettings, serviceSettings, setting } from '@sallyport/config'

export const gatewaySettings = {
  ...serviceSettings,
  ...coapsSettings,
  coapsPort: setting({
    name: 'SALLYPORT_COAPS_PORT',
    meaning:
      'The UDP port on which devices find the gateway (CoAP over DTLS); not looked at where a bound socket is inherited (`LISTEN_FDS`).',
    kind: 'port',
    default: 5684,
  }),
  coapsUri: setting({
    name: 'SALLYPORT_COAPS_URI',
    meaning: 'The address that devices are told to come to; by default the one the gateway is bound to.',
    kind: 'url',
    schemes: ['coaps'],
    optional: true,
  }),
  coapsTcpUri: setting({
    name: 'SALLYPORT_COAPS_TCP_URI',
    meaning: 'The same for CoAP over TLS.',
    kind: 'url',
    schemes: ['coaps+tcp'],
    optional: true,
  }),
  serverCertificateFile: setting({
    name: 'SALLYPORT_SERVER_CERTIFICATE',
    meaning: 'The certificate chain (PEM, leaf first) that devices see; its common name is `uuid:<hub id>`.',
    kind: 'path',
  }),
  serverKeyFile: setting({
    name: 'SALLYPORT_SERVER_KEY',
    meaning: 'The private key (PKCS#8 PEM, P-256 or P-384) of SALLYPORT_SERVER_CERTIFICATE.',
    kind: 'path',
  }),
  controlPlaneUrl: setting({
    name: 'SALLYPORT_CONTROL_PLANE_URL',
    meaning: 'The internal address of the control plane, where onboarding codes and refresh tokens are exchanged.',
    kind: 'url',
    schemes: ['https'],
  }),
  // Events reach Redis through the outbox and its relay: the gateway needs Redis for snapshots alone.
  redisUrl: setting({
    name: 'SALLYPORT_REDIS_URL',
    meaning:
      'Where sealed snapshots of live associations are left for the gateway that takes over; without it a restart costs every device a handshake.',
    kind: 'url',
    schemes: ['redis', 'rediss'],
    optional: true,
    secret: true,
  }),
  redisPasswordFile: redisSettings.redisPasswordFile,
  shard: setting({
    name: 'SALLYPORT_SHARD',
    meaning:
      'Which part of the devices this gateway serves. The one that starts takes the shard over from the one that had it, so gateways that run side by side need different ones.',
    kind: 'integer',
    minimum: 0,
    maximum: 255,
    default: 0,
  }),
  standby: setting({
    name: 'SALLYPORT_STANDBY',
    meaning:
      'Starts, and waits until no other gateway serves the shard, then takes it over at once: a restart, or a death, costs devices a moment (docs/systemd.md). Two with this setting form a pair on one host. Its management port opens when it serves.',
    kind: 'boolean',
    default: false,
  }),
  gatewayId: setting({
    name: 'SALLYPORT_GATEWAY_ID',
    meaning: 'The name of this gateway in leases and commands; by default a new one for each start.',
    kind: 'string',
    optional: true,
  }),
  tokenIssuer: setting({
    name: 'SALLYPORT_TOKEN_ISSUER',
    meaning: 'The issuer that access tokens must name; the same value as at the control plane.',
    kind: 'string',
  }),
  telemetryBufferRows: setting({
    name: 'SALLYPORT_TELEMETRY_BUFFER_ROWS',
    meaning: 'Measurements that may wait for the database before devices are told to come later.',
    kind: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 20_000,
  }),
}

export type GatewayConfiguration = Configuration<typeof gatewaySettings>
