/**
 * Who may have an association with the gateway (RFC 5280 path, then our own books; design §6).
 *
 *   1. the chain leads to the installation's identity CA, and the leaf is made for a device's identity;
 *   2. the leaf's SHA-256 is recorded as issued to the device that it names: an issuer that was stolen, or a customer's CA
 *      that names our devices, gets nobody in;
 *   3. neither certificate nor device has been withdrawn.
 *
 * Asked after the peer has proven that it holds the key. A device that comes back with a session is looked up again, in the
 * same books and with the same answers; only its chain is not walked a second time.
 */

import { type Clock, type Instant, seconds } from '@sallyport/clock'
import type { PeerVerdict, PeerVerdictRefused, RemoteAddress, ResumePeer, VerifyPeer } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { type ErrorCode, isCodedError } from '@sallyport/errors'
import {
  AcceptedCertificates,
  alertOfRefusal,
  type Certificate,
  deviceIdFromCommonName,
  type PathAccepted,
  type PathRefusal,
  type PeerRefusalCode,
  parseCertificate,
  validatePath,
} from '@sallyport/pki'
import type { RecordedIdentity, RecordedPsk, Store } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'
import { decodeResumableDevice, encodeResumableDevice } from './resumable-device.ts'

export interface AdmissionOptions {
  readonly store: {
    readonly authorities: Pick<Store['authorities'], 'byRole'>
    readonly certificates: Pick<Store['certificates'], 'findRecorded'>
  }
  readonly clock: Clock
  readonly log: Logger
  /** A refusal of a chain that is good in itself: it names a device, so it is written down, not just counted. */
  readonly onRefusedDevice?: (refused: {
    readonly deviceId: string
    readonly leaf: Certificate
    readonly peer: RemoteAddress
    readonly code: PeerRefusalCode
  }) => void
}

export interface Admission {
  readonly verifyPeer: VerifyPeer<DeviceIdentity>
  readonly resumePeer: ResumePeer<DeviceIdentity>
}

export function admission(options: AdmissionOptions): Admission {
  const anchors = new IdentityAnchors(options)
  return { verifyPeer: admitDevices(options, anchors), resumePeer: resumeDevices(options, anchors) }
}

function admitDevices(options: AdmissionOptions, anchors: IdentityAnchors): VerifyPeer<DeviceIdentity> {
  return async (chain, peer) => {
    try {
      const path = await validateIdentityPath(chain, anchors, options.clock.now())
      if (!path.valid) return refusal(path.code, path.detail)
      return await judgeRecorded(options, path, peer)
    } catch (error) {
      // Fail closed; the peer learns only that it was not its fault.
      options.log.error({ err: error, address: peer.address }, 'a device could not be looked up')
      const code = isCodedError(error) ? error.code : 'internal'
      return { accepted: false, alert: 'internal_error', code, detail: 'the device could not be looked up' }
    }
  }
}

/** What it refuses, or cannot look up, `admitDevices` will judge next: there the device is told, and the refusal recorded. */
function resumeDevices({ store, clock }: AdmissionOptions, anchors: IdentityAnchors): ResumePeer<DeviceIdentity> {
  return async (resumable) => {
    const device = decodeResumableDevice(resumable)
    if (device === undefined) return refusal('certificate-not-recorded', 'a session of another version of the gateway')
    const { deviceId, certificateSha256, certificateNotAfter, authoritySha256 } = device
    const now = clock.now()
    if (now > certificateNotAfter) return refusal('certificate-expired', `certificate of device ${deviceId}`)
    const known = await anchors.known(now)
    if (!known.some(({ sha256 }) => sha256 === authoritySha256)) {
      return refusal('certificate-authority-unknown', `the authority of device ${deviceId} is not ours any more`)
    }
    const recorded = await store.certificates.findRecorded(certificateSha256)
    if (recorded === undefined) return refusal('certificate-not-recorded', `certificate of device ${deviceId}`)
    const withdrawn = withdrawnCode(recorded, deviceId)
    if (withdrawn !== undefined) return refusal(withdrawn, `certificate ${recorded.serialNumber} of device ${deviceId}`)
    const { organizationId, serialNumber: certificateSerial } = recorded
    return {
      accepted: true,
      identity: { deviceId, organizationId, certificateSha256, certificateSerial, certificateNotAfter },
    }
  }
}

async function validateIdentityPath(
  chain: readonly Uint8Array[],
  anchors: IdentityAnchors,
  at: Instant,
): Promise<PathAccepted | PathRefusal> {
  const known = await anchors.known(at)
  const path = validatePath({ chain, anchors: known, at, purpose: 'identity-device', accepted: anchors.accepted })
  if (path.valid || path.code !== 'certificate-purpose-wrong') {
    const newer = !path.valid && path.code === 'certificate-authority-unknown' ? await anchors.newer(at) : undefined
    return newer === undefined
      ? path
      : validatePath({ chain, anchors: newer, at, purpose: 'identity-device', accepted: anchors.accepted })
  }
  // A manufacturer certificate is wrong for its purpose too, but what its owner must know is that nobody here trusts its CA.
  const anyDevice = validatePath({ chain, anchors: known, at, purpose: 'manufacturer-device' })
  return !anyDevice.valid && anyDevice.code === 'certificate-authority-unknown' ? anyDevice : path
}

async function judgeRecorded(
  options: AdmissionOptions,
  { path }: PathAccepted,
  peer: RemoteAddress,
): Promise<PeerVerdict<DeviceIdentity>> {
  const [leaf] = path
  const authority = path.at(-1)
  const deviceId = deviceIdFromCommonName(leaf?.commonName)
  if (leaf === undefined || authority === undefined || deviceId === undefined) {
    return refusal('certificate-purpose-wrong', 'the common name is not uuid:<device id>')
  }
  const recorded = await options.store.certificates.findRecorded(leaf.sha256)
  const refuse = (code: PeerRefusalCode): PeerVerdictRefused => {
    options.onRefusedDevice?.({ deviceId, leaf, peer, code })
    return refusal(code, `certificate ${leaf.serialNumber} of device ${deviceId}`)
  }
  if (recorded === undefined) return refuse('certificate-not-recorded')
  const withdrawn = withdrawnCode(recorded, deviceId)
  if (withdrawn !== undefined) return refuse(withdrawn)
  return {
    accepted: true,
    identity: {
      deviceId,
      organizationId: recorded.organizationId,
      certificateSha256: leaf.sha256,
      certificateSerial: leaf.serialNumber,
      certificateNotAfter: leaf.notAfter,
    },
    resumable: encodeResumableDevice({
      deviceId,
      certificateSha256: leaf.sha256,
      certificateNotAfter: leaf.notAfter,
      authoritySha256: authority.sha256,
    }),
  }
}

/** Why a certificate that was once good gets nobody in; undefined when nothing speaks against it. */
export function withdrawnCode(recorded: RecordedIdentity | undefined, deviceId: string): PeerRefusalCode | undefined {
  if (recorded === undefined || recorded.deviceId !== deviceId) return 'certificate-not-recorded'
  if (recorded.deviceState === 'blocked') return 'device-blocked'
  if (recorded.deviceState === 'deleted') return 'certificate-revoked'
  switch (recorded.state) {
    case 'issued':
    case 'active':
      return undefined
    case 'superseded':
    case 'revoked':
      return 'certificate-revoked'
  }
}

/** The same for a pre-shared key. */
export function withdrawnPskCode(recorded: RecordedPsk | undefined, deviceId: string): ErrorCode | undefined {
  if (recorded === undefined || recorded.deviceId !== deviceId) return 'psk-identity-unknown'
  if (recorded.deviceState === 'blocked') return 'device-blocked'
  if (recorded.deviceState === 'deleted') return 'psk-revoked'
  if (!recorded.groupAllowsPsk) return 'psk-not-allowed'
  return recorded.state === 'issued' || recorded.state === 'active' ? undefined : 'psk-revoked'
}

const refusal = (code: PeerRefusalCode, detail: string): PeerVerdictRefused => ({
  accepted: false,
  alert: alertOfRefusal[code],
  code,
  detail,
})

const anchorsFreshFor = seconds(60)
const anchorsAskedAgainAfter = seconds(2)

/** The identity CAs that the dps has recorded. Read again each minute, and soon when a chain leads to none of them. */
class IdentityAnchors {
  /** Of devices that came in: their chains cost less when they come back, and are judged all the same. */
  readonly accepted = new AcceptedCertificates()
  readonly #options: AdmissionOptions
  #anchors: readonly Certificate[] = []
  #readAt: Instant | undefined
  #reading: Promise<void> | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  async known(now: Instant): Promise<readonly Certificate[]> {
    if (this.#readAt === undefined || now - this.#readAt > anchorsFreshFor) await this.#read(now)
    return this.#anchors
  }

  /** The anchors read anew; undefined when they were read a moment ago: strangers must not make us ask each time. */
  async newer(now: Instant): Promise<readonly Certificate[] | undefined> {
    if (this.#readAt !== undefined && now - this.#readAt < anchorsAskedAgainAfter) return undefined
    await this.#read(now)
    return this.#anchors
  }

  /** Once for all handshakes that wait for it. */
  #read(now: Instant): Promise<void> {
    this.#reading ??= this.#readOnce(now).finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readOnce(now: Instant): Promise<void> {
    const records = await this.#options.store.authorities.byRole('identity')
    this.#anchors = records.map((record) => parseCertificate(record.certificateDer))
    this.#readAt = now
  }
}
