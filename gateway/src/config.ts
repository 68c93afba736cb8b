/** What the gateway is told. Everything else it needs (devices, trusted authorities, hub) stands in the database. */

import { type Configuration, coapsSettings, serviceSettings, setting } from '@sallyport/config'

// Events reach Redis through the outbox and its relay: the gateway itself needs no Redis.
const { redisUrl: _redisUrl, ...settingsOfEveryService } = serviceSettings

export const gatewaySettings = {
  ...settingsOfEveryService,
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
