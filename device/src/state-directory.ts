/**
 * A device's folder: identity.pem and identity.key, tokens.json, cloud-configuration.json. Mode 0700, files 0600; each file is
 * written beside and renamed, so a crash leaves the old one or the new one.
 *
 * An identity is two files, so a crash can also fall between their renames: certificate and key are taken as the first pair
 * that fits together, the adopted names before the staged ones.
 */

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { instant } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import { type Certificate, certificatesFromPem, certificateToPem } from '@sallyport/pki'
import { DeviceFailure } from './device-failure.ts'
import type { CloudConfiguration, DeviceState, DeviceTokens, Identity } from './device-state.ts'

const certificateFile = 'identity.pem'
const keyFile = 'identity.key'
const stagedCertificateFile = 'identity.next.pem'
const stagedKeyFile = 'identity.next.key'
const tokensFile = 'tokens.json'
const cloudConfigurationFile = 'cloud-configuration.json'

/** @throws DeviceFailure of step `state` for a folder that cannot be used. */
export function stateDirectory(folder: string): DeviceState {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new DeviceFailure('state', `the state folder ${folder} cannot be made: ${messageOf(cause)}`, { cause })
  }
  const at = (name: string): string => join(folder, name)

  return {
    readIdentity: () => {
      for (const [certificate, key] of [
        [certificateFile, keyFile],
        [stagedCertificateFile, keyFile],
        [stagedCertificateFile, stagedKeyFile],
      ] as const) {
        const identity = readPair(at(certificate), at(key))
        if (identity !== undefined) return identity
      }
      return undefined
    },
    stageIdentity: ({ chain, privateKey }) => {
      writeAtomically(at(stagedKeyFile), String(privateKey.export({ format: 'pem', type: 'pkcs8' })))
      writeAtomically(at(stagedCertificateFile), chain.map(({ der }) => certificateToPem(der)).join(''))
    },
    adoptIdentity: () => {
      renameSync(at(stagedKeyFile), at(keyFile))
      renameSync(at(stagedCertificateFile), at(certificateFile))
    },
    readCloudConfiguration: () =>
      readJson<CloudConfiguration>(at(cloudConfigurationFile), ['gateway', 'hubId', 'deviceId']),
    writeCloudConfiguration: (configuration) => writeJson(at(cloudConfigurationFile), configuration),
    readTokens: () => {
      const tokens = readJson<Omit<DeviceTokens, 'expiresAt'> & { expiresAt?: string }>(at(tokensFile), [
        'accessToken',
        'refreshToken',
        'uid',
        'deviceId',
      ])
      if (tokens === undefined) return undefined
      const { expiresAt, ...rest } = tokens
      return expiresAt === undefined ? rest : { ...rest, expiresAt: instant(Date.parse(expiresAt)) }
    },
    writeTokens: (tokens) => {
      if (tokens === undefined) rmSync(at(tokensFile), { force: true })
      else {
        const { expiresAt, ...rest } = tokens
        writeJson(at(tokensFile), {
          ...rest,
          ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
        })
      }
    },
  }
}

/** A PEM chain and its key, as files. @throws DeviceFailure naming the file that is wrong. */
export function readIdentityFiles(certificatePath: string, keyPath: string): Identity {
  const chain = readCertificates(certificatePath)
  const privateKey = readKey(keyPath)
  const [leaf] = chain
  if (leaf === undefined || !fits(leaf, privateKey)) {
    throw new DeviceFailure('configuration', `the key ${keyPath} does not belong to the certificate ${certificatePath}`)
  }
  return { chain, privateKey }
}

/** @throws DeviceFailure naming the file. */
export function readCertificates(path: string): readonly Certificate[] {
  try {
    return certificatesFromPem(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new DeviceFailure('configuration', `no certificate can be read from ${path}: ${messageOf(cause)}`, { cause })
  }
}

function readKey(path: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new DeviceFailure('configuration', `no private key can be read from ${path}: ${messageOf(cause)}`, { cause })
  }
}

function readPair(certificatePath: string, keyPath: string): Identity | undefined {
  const certificatePem = readIfThere(certificatePath)
  const keyPem = readIfThere(keyPath)
  if (certificatePem === undefined || keyPem === undefined) return undefined
  try {
    const chain = certificatesFromPem(certificatePem)
    const privateKey = createPrivateKey(keyPem)
    const [leaf] = chain
    return leaf !== undefined && fits(leaf, privateKey) ? { chain, privateKey } : undefined
  } catch (error) {
    if (!isCodedError(error) && !(error instanceof Error && 'code' in error)) throw error
    return undefined
  }
}

const fits = (leaf: Certificate, key: KeyObject): boolean =>
  Buffer.from(leaf.spki).equals(createPublicKey(key).export({ format: 'der', type: 'spki' }))

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new DeviceFailure('state', `${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Undefined when there is no such file, or it is not what this program wrote. */
function readJson<T>(path: string, requiredText: readonly (keyof T & string)[]): T | undefined {
  const text = readIfThere(path)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const fields = new Map(Object.entries(value))
    return requiredText.every((name) => typeof fields.get(name) === 'string') ? (value as T) : undefined
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}

const writeJson = (path: string, value: object): void => writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`)

function writeAtomically(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`
  try {
    const file = openSync(beside, 'w', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(beside, path)
  } catch (cause) {
    rmSync(beside, { force: true })
    throw new DeviceFailure('state', `${path} cannot be written: ${messageOf(cause)}`, { cause })
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
