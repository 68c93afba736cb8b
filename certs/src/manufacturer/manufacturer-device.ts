/**
 * Device certificates from a manufacturer's PKI, one or thousands, and the unfit ones that tests of refusals need.
 */

import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { CodedError } from '@sallyport/errors'
import { issueCertificate, softwareSigner, validityFor } from '@sallyport/issuer'
import { certificatesFromPem, certificateToPem, deviceIdFromCommonName } from '@sallyport/pki'
import { ensureFolder, presenceOf, readTextFile, writeFileAtomically } from '../files.ts'
import { generateSoftwareKey, privateKeyPem, randomSerialNumber } from '../software-key.ts'
import type { ManufacturerAuthority } from './manufacturer-authority.ts'

/** What may be wrong on purpose; nothing by default. */
export interface DeviceFlaws {
  readonly dates?: 'expired' | 'not-yet-valid'
  readonly usage?: 'server'
  readonly issuer?: 'itself'
}

export interface IssuedDevice {
  readonly id: string
  /** PEM: the device's certificate, then the intermediate. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly key: string
}

const day = 86_400_000

/** @throws CodedError `validation-failed` for what is no device id; lower case otherwise. */
export function deviceIdFromText(text: string): string {
  const id = deviceIdFromCommonName(`uuid:${text}`)
  if (id === undefined)
    throw new CodedError('validation-failed', `${JSON.stringify(text)} is no device id: a UUID is needed.`)
  return id
}

/** Issues to one device; returns what is there where it has been issued to before. */
export async function issueToDevice(
  authority: ManufacturerAuthority,
  options: { folder: string; id?: string; days: number; now: number; flaws: DeviceFlaws },
): Promise<IssuedDevice> {
  const id = options.id ?? randomUUID()
  const device: IssuedDevice = {
    id,
    certificate: join(resolve(options.folder), `${id}.pem`),
    key: join(resolve(options.folder), `${id}.key`),
  }
  const presence = presenceOf([device.certificate, device.key])
  if (presence === 'all') return existingDevice(device, options.flaws)
  if (presence === 'some') {
    throw new CodedError(
      'configuration-invalid',
      `Only one of ${device.certificate} and ${device.key} is there. Remove it.`,
    )
  }
  ensureFolder(options.folder)
  const privateKey = generateSoftwareKey()
  const own = softwareSigner(privateKey)
  const selfSigned = options.flaws.issuer === 'itself'
  const certificate = await issueCertificate({
    profile: options.flaws.usage === 'server' ? 'unfit-manufacturer-device' : 'manufacturer-device',
    subject: { commonName: `uuid:${id}` },
    spki: own.publicKey,
    issuer: selfSigned ? { signer: own } : authority,
    serialNumber: randomSerialNumber(),
    ...datesOf(options),
  })
  const chain = [certificate.der, ...(selfSigned ? [] : [authority.certificate.der])]
  writeFileAtomically(device.key, privateKeyPem(privateKey), 'secret', 'quick')
  writeFileAtomically(device.certificate, chain.map(certificateToPem).join(''), 'public', 'quick')
  return device
}

function existingDevice(device: IssuedDevice, flaws: DeviceFlaws): IssuedDevice {
  if (Object.keys(flaws).length > 0) {
    throw new CodedError(
      'configuration-invalid',
      `${device.certificate} is there already. Choose another --out or --id.`,
    )
  }
  const [leaf] = certificatesFromPem(readTextFile(device.certificate, "The device's certificate"))
  if (deviceIdFromCommonName(leaf?.commonName) !== device.id) {
    throw new CodedError('configuration-invalid', `${device.certificate} is the certificate of another device.`)
  }
  return device
}

function datesOf(options: { days: number; now: number; flaws: DeviceFlaws }): ReturnType<typeof validityFor> {
  switch (options.flaws.dates) {
    case 'expired':
      return validityFor(options.now - 2 * day, 1)
    case 'not-yet-valid':
      return validityFor(options.now + 30 * day, options.days)
    default:
      // A device's clock may be behind the manufacturer's.
      return validityFor(options.now - day, options.days)
  }
}
