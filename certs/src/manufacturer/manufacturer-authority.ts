/**
 * A manufacturer's PKI for development and tests: root → intermediate, both with their keys in files.
 *
 * The keys are the manufacturer's: they lie in the manufacturer's folder and nothing of Sallyport reads them but the
 * tool that issues to devices.
 */

import { join, resolve } from 'node:path'
import { CodedError } from '@sallyport/errors'
import { issueCertificate, type Signer, softwareSigner, validityFor } from '@sallyport/issuer'
import { type Certificate, certificatesFromPem, certificateToPem } from '@sallyport/pki'
import { ensureFolder, presenceOf, readTextFile, writeFileAtomically } from '../files.ts'
import { generateSoftwareKey, privateKeyPem, randomSerialNumber, readPrivateKey, spkiOf } from '../software-key.ts'

/** Before the authority was made: so that a device's clock may be behind, and an expired certificate lies within its CA's life. */
const backdatedMilliseconds = 30 * 86_400_000
const rootDays = 30 * 365
const intermediateDays = 25 * 365

export interface ManufacturerFiles {
  readonly root: string
  readonly rootKey: string
  readonly intermediate: string
  readonly intermediateKey: string
  /** Intermediate, then root: what a customer loads into an enrollment group. */
  readonly chain: string
}

export function manufacturerFiles(folder: string): ManufacturerFiles {
  const at = (name: string): string => join(resolve(folder), name)
  return {
    root: at('root.pem'),
    rootKey: at('root.key'),
    intermediate: at('intermediate.pem'),
    intermediateKey: at('intermediate.key'),
    chain: at('chain.pem'),
  }
}

/** Makes the authorities unless they are there. @throws CodedError `configuration-invalid` for a folder that holds a part of them. */
export async function createManufacturer(options: {
  folder: string
  name: string
  now: number
}): Promise<{ files: ManufacturerFiles; created: boolean }> {
  const files = manufacturerFiles(options.folder)
  const presence = presenceOf(Object.values(files))
  if (presence === 'all') return { files, created: false }
  if (presence === 'some') {
    throw new CodedError(
      'configuration-invalid',
      `${resolve(options.folder)} holds a part of a manufacturer PKI. Empty it or choose another folder.`,
    )
  }
  ensureFolder(options.folder)
  const rootKey = generateSoftwareKey()
  const rootSigner = softwareSigner(rootKey)
  const root = await issueCertificate({
    profile: 'manufacturer-root',
    subject: { organization: options.name, commonName: `${options.name} Root CA` },
    spki: rootSigner.publicKey,
    issuer: { signer: rootSigner },
    serialNumber: randomSerialNumber(),
    ...validityFor(options.now - backdatedMilliseconds, rootDays),
  })
  const intermediateKey = generateSoftwareKey()
  const intermediate = await issueCertificate({
    profile: 'manufacturer-intermediate',
    subject: { organization: options.name, commonName: `${options.name} Device CA` },
    spki: spkiOf(intermediateKey),
    issuer: { certificate: root, signer: rootSigner },
    serialNumber: randomSerialNumber(),
    ...validityFor(options.now - backdatedMilliseconds, intermediateDays),
  })
  writeFileAtomically(files.rootKey, privateKeyPem(rootKey), 'secret')
  writeFileAtomically(files.intermediateKey, privateKeyPem(intermediateKey), 'secret')
  writeFileAtomically(files.root, certificateToPem(root.der), 'public')
  writeFileAtomically(files.intermediate, certificateToPem(intermediate.der), 'public')
  writeFileAtomically(files.chain, certificateToPem(intermediate.der) + certificateToPem(root.der), 'public')
  return { files, created: true }
}

export interface ManufacturerAuthority {
  readonly certificate: Certificate
  readonly signer: Signer
}

/** The authority that issues to devices. @throws CodedError `configuration-invalid`, `certificate-malformed`. */
export function openManufacturer(folder: string): ManufacturerAuthority {
  const files = manufacturerFiles(folder)
  const [certificate] = certificatesFromPem(readTextFile(files.intermediate, "The manufacturer's issuing certificate"))
  if (certificate === undefined) throw new CodedError('configuration-invalid', `${files.intermediate} is empty.`)
  return { certificate, signer: softwareSigner(readPrivateKey(files.intermediateKey)) }
}
