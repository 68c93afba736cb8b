/** What a device keeps between runs, behind a port: a folder for a device, memory for a fleet. */

import type { KeyObject } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import type { DtlsCredentials } from '@sallyport/coaps'
import type { Certificate } from '@sallyport/pki'

export interface Identity {
  /** Leaf first. */
  readonly chain: readonly Certificate[]
  readonly privateKey: KeyObject
}

/** What cloud-configuration said, as far as it is needed to sign up and to connect. */
export interface CloudConfiguration {
  readonly deviceId: string
  /** `coaps://host:port` */
  readonly gateway: string
  readonly hubId: string
  readonly authProvider: string
  /** Single use; absent once it was redeemed. */
  readonly onboardingCode?: string
}

export interface DeviceTokens {
  readonly deviceId: string
  readonly uid: string
  readonly accessToken: string
  readonly refreshToken: string
  /** Undefined for a token that does not expire. */
  readonly expiresAt?: Instant
}

export interface DeviceState {
  readIdentity(): Identity | undefined
  /** Keeps a new identity beside the present one, until `adoptIdentity` or the next `stageIdentity`. */
  stageIdentity(identity: Identity): void
  /** The staged identity becomes the identity. */
  adoptIdentity(): void
  readCloudConfiguration(): CloudConfiguration | undefined
  writeCloudConfiguration(configuration: CloudConfiguration): void
  readTokens(): DeviceTokens | undefined
  writeTokens(tokens: DeviceTokens | undefined): void
}

export function credentialsOf(identity: Identity): DtlsCredentials {
  return { chain: identity.chain.map(({ der }) => der), privateKey: identity.privateKey }
}

export function memoryState(): DeviceState {
  let identity: Identity | undefined
  let staged: Identity | undefined
  let cloud: CloudConfiguration | undefined
  let tokens: DeviceTokens | undefined
  return {
    readIdentity: () => identity,
    stageIdentity: (next) => {
      staged = next
    },
    adoptIdentity: () => {
      identity = staged ?? identity
    },
    readCloudConfiguration: () => cloud,
    writeCloudConfiguration: (next) => {
      cloud = next
    },
    readTokens: () => tokens,
    writeTokens: (next) => {
      tokens = next
    },
  }
}
