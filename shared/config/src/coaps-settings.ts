/** What a service is told that listens for devices: how many newcomers, and how many at a time. */

import type { Configuration } from './read-configuration.ts'
import { setting } from './setting.ts'

const mostPerSecond = 1_000_000

export const coapsSettings = {
  handshakesPerSecond: setting({
    name: 'SALLYPORT_HANDSHAKES_PER_SECOND',
    meaning:
      'Handshakes that may begin in a second, over DTLS and TLS together, on average over four; who comes beyond is not heard and tries again. One core does some 500 beside live devices.',
    kind: 'integer',
    minimum: 1,
    maximum: mostPerSecond,
    default: 500,
  }),
  handshakesPerSecondPerHost: setting({
    name: 'SALLYPORT_HANDSHAKES_PER_SECOND_PER_HOST',
    meaning:
      'The same for one IPv4 address or IPv6 /64, which may be the NAT of a whole fleet; by default a fifth of all.',
    kind: 'integer',
    minimum: 1,
    maximum: mostPerSecond,
    optional: true,
  }),
  handshakesPerSecondPerNetwork: setting({
    name: 'SALLYPORT_HANDSHAKES_PER_SECOND_PER_NETWORK',
    meaning: 'The same for one IPv4 /24 or IPv6 /48; by default half of all.',
    kind: 'integer',
    minimum: 1,
    maximum: mostPerSecond,
    optional: true,
  }),
  maxAssociations: setting({
    name: 'SALLYPORT_MAX_ASSOCIATIONS',
    meaning:
      'Live associations at a time. A newcomer beyond takes the place of the one that was silent for longest, if that is half an hour or more; otherwise it is not heard.',
    kind: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 150_000,
  }),
  coapsTcp: setting({
    name: 'SALLYPORT_COAPS_TCP',
    meaning: 'Serves CoAP over TLS 1.2 and 1.3 (RFC 8323) beside CoAP over DTLS.',
    kind: 'boolean',
    default: true,
  }),
  coapsTcpPort: setting({
    name: 'SALLYPORT_COAPS_TCP_PORT',
    meaning: 'The TCP port of CoAP over TLS; by default the number of SALLYPORT_COAPS_PORT.',
    kind: 'port',
    optional: true,
  }),
  maxTlsAssociations: setting({
    name: 'SALLYPORT_MAX_TLS_ASSOCIATIONS',
    meaning:
      'Live connections by TLS at a time; the same holds for a newcomer beyond, and half of them at most are from one IPv4 /24 or IPv6 /48. Each costs some 50 kB.',
    kind: 'integer',
    minimum: 2,
    maximum: 1_000_000,
    default: 20_000,
  }),
}

/** As the limits of a listener. */
export interface CoapsLimits {
  readonly maxHandshakesPerSecond: number
  readonly maxHandshakesPerSecondPerHost?: number
  readonly maxHandshakesPerSecondPerNetwork?: number
  readonly maxAssociations: number
}

/** Where CoAP over TLS is to be served, and how much of it; undefined: nowhere. */
export function coapsTcpOf(
  configuration: Configuration<typeof coapsSettings> & { readonly host: string; readonly coapsPort: number },
): { readonly host: string; readonly port: number; readonly limits: Pick<CoapsLimits, 'maxAssociations'> } | undefined {
  if (!configuration.coapsTcp) return undefined
  return {
    host: configuration.host,
    port: configuration.coapsTcpPort ?? configuration.coapsPort,
    limits: { maxAssociations: configuration.maxTlsAssociations },
  }
}

export function coapsLimits(configuration: Configuration<typeof coapsSettings>): CoapsLimits {
  const { handshakesPerSecondPerHost: perHost, handshakesPerSecondPerNetwork: perNetwork } = configuration
  return {
    maxHandshakesPerSecond: configuration.handshakesPerSecond,
    ...(perHost === undefined ? {} : { maxHandshakesPerSecondPerHost: perHost }),
    ...(perNetwork === undefined ? {} : { maxHandshakesPerSecondPerNetwork: perNetwork }),
    maxAssociations: configuration.maxAssociations,
  }
}
