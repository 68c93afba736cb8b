/**
 * EC keys in the token: made there, found by id and public key, used through `verifiedSignature`.
 *
 * A new key is what was asked for only if the token says so: its attributes are read back, and a key that could be read
 * or exported is destroyed at once.
 */

import { randomBytes } from 'node:crypto'
import { constantTimeEqual, toHex } from '@sallyport/bytes'
import { CodedError, hasCode } from '@sallyport/errors'
import type { ECDH1, Handle, Template } from 'pkcs11js'
import pkcs11js from 'pkcs11js'
import { curveFacts, curveOf, spkiOf } from './ec-key-encoding.ts'
import type { GenerateEcKeyOptions, TokenCurve, TokenKey } from './token.ts'
import { readBytes, readFlag, readText } from './token-attributes.ts'
import type { TokenConnection } from './token-connection.ts'
import type { TokenUse } from './token-use.ts'
import { verifiedSignature } from './verified-signature.ts'

export async function generateEcKey(token: TokenUse, options: GenerateEcKeyOptions): Promise<TokenKey> {
  const id = randomBytes(16)
  await token.run(async (connection, session) => {
    const pair = await connection.module.lib.C_GenerateKeyPairAsync(
      session,
      { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
      publicTemplate(id, options),
      privateTemplate(id, options),
    )
    try {
      if (options.backup !== undefined) await wrapOnce(connection, session, pair.privateKey, options.backup)
      assertGuarded(connection, session, pair.privateKey, options.backup === undefined)
    } catch (error) {
      connection.module.lib.C_DestroyObject(session, pair.privateKey)
      connection.module.lib.C_DestroyObject(session, pair.publicKey)
      throw error
    }
  })
  const [key] = (await listEcKeys(token)).filter((candidate) => constantTimeEqual(candidate.id, id))
  if (key === undefined) throw new CodedError('hsm-key-missing', `the token does not show its new key ${options.label}`)
  return key
}

export async function findEcKey(
  token: TokenUse,
  wanted: { readonly id: Uint8Array; readonly publicKey: Uint8Array },
): Promise<TokenKey> {
  return await token.run((connection, session) => {
    const publicKey = connection.findOne(
      session,
      [
        { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PUBLIC_KEY },
        { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_EC },
        { type: pkcs11js.CKA_ID, value: Buffer.from(wanted.id) },
      ],
      `public key ${toHex(wanted.id)}`,
    )
    privateHandle(connection, session, wanted.id)
    const key = describe(token, connection, session, publicKey)
    if (key === undefined || !constantTimeEqual(key.spki, wanted.publicKey)) {
      throw new CodedError('hsm-key-missing', `key ${toHex(wanted.id)} in token ${token.label} has another public key`)
    }
    return key
  })
}

export async function listEcKeys(token: TokenUse): Promise<TokenKey[]> {
  return await token.run((connection, session) => {
    const keys: TokenKey[] = []
    const found = connection.findAll(session, [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PUBLIC_KEY },
      { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_EC },
    ])
    for (const object of found) {
      const key = describe(token, connection, session, object)
      if (key !== undefined) keys.push(key)
    }
    return keys
  })
}

function describe(
  token: TokenUse,
  connection: TokenConnection,
  session: Handle,
  publicKey: Handle,
): TokenKey | undefined {
  const curve = curveOf(readBytes(connection, session, publicKey, pkcs11js.CKA_EC_PARAMS))
  if (curve === undefined) return undefined
  const key = {
    id: readBytes(connection, session, publicKey, pkcs11js.CKA_ID),
    label: readText(connection, session, publicKey, pkcs11js.CKA_LABEL),
    spki: spkiOf(curve, readBytes(connection, session, publicKey, pkcs11js.CKA_EC_POINT)),
    curve,
  }
  return {
    ...key,
    agree: (point) => agree(token, key, point),
    sign: (data) => verifiedSignature(key, data, (digest) => signDigest(token, key, digest)),
  }
}

async function signDigest(
  token: TokenUse,
  key: { readonly id: Uint8Array; readonly curve: TokenCurve },
  digest: Uint8Array,
): Promise<Uint8Array> {
  return await token.run(async (connection, session) => {
    const { lib } = connection.module
    lib.C_SignInit(session, { mechanism: pkcs11js.CKM_ECDSA }, privateHandle(connection, session, key.id))
    const room = Buffer.alloc(2 * curveFacts[key.curve].coordinateBytes)
    return new Uint8Array(await lib.C_SignAsync(session, Buffer.from(digest), room))
  })
}

async function agree(
  token: TokenUse,
  key: { readonly id: Uint8Array; readonly curve: TokenCurve },
  point: Uint8Array,
): Promise<Uint8Array> {
  const { coordinateBytes } = curveFacts[key.curve]
  requirePoint(key.curve, point)
  const secret = await token.run(async (connection, session) => {
    const { lib } = connection.module
    const parameter: ECDH1 = {
      type: pkcs11js.CK_PARAMS_EC_DH,
      kdf: pkcs11js.CKD_NULL,
      publicData: Buffer.from(point),
    }
    // A session's object, which is read once: what it gives away is this one secret.
    const derived = await lib.C_DeriveKeyAsync(
      session,
      { mechanism: pkcs11js.CKM_ECDH1_DERIVE, parameter },
      privateHandle(connection, session, key.id),
      [
        { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
        { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_GENERIC_SECRET },
        { type: pkcs11js.CKA_TOKEN, value: false },
        { type: pkcs11js.CKA_SENSITIVE, value: false },
        { type: pkcs11js.CKA_EXTRACTABLE, value: true },
        { type: pkcs11js.CKA_VALUE_LEN, value: coordinateBytes },
      ],
    )
    try {
      return readBytes(connection, session, derived, pkcs11js.CKA_VALUE)
    } finally {
      lib.C_DestroyObject(session, derived)
    }
  })
  if (secret.length === coordinateBytes) return secret
  throw new CodedError('hsm-unavailable', 'the token gave no shared secret', { details: { reason: 'secret-missing' } })
}

/** A point of another curve would tell of the private key (RFC 9180 section 7.1.4). */
function requirePoint(curve: TokenCurve, point: Uint8Array): void {
  if (point.length === 1 + 2 * curveFacts[curve].coordinateBytes && point[0] === 4) {
    try {
      spkiOf(curve, point)
      return
    } catch (error) {
      if (!hasCode(error, 'hsm-key-missing')) throw error
    }
  }
  throw new CodedError('sealed-value-invalid', `what came is no point on ${curve}`)
}

const privateHandle = (connection: TokenConnection, session: Handle, id: Uint8Array): Handle =>
  connection.findOne(
    session,
    [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
      { type: pkcs11js.CKA_ID, value: Buffer.from(id) },
    ],
    `private key ${toHex(id)}`,
  )

function publicTemplate(id: Buffer, options: GenerateEcKeyOptions): Template {
  return [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_ID, value: id },
    { type: pkcs11js.CKA_LABEL, value: options.label },
    { type: pkcs11js.CKA_VERIFY, value: options.use !== 'agree' },
    { type: pkcs11js.CKA_DERIVE, value: options.use === 'agree' },
    { type: pkcs11js.CKA_EC_PARAMS, value: Buffer.from(curveFacts[options.curve].parameters) },
  ]
}

function privateTemplate(id: Buffer, options: GenerateEcKeyOptions): Template {
  return [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_PRIVATE, value: true },
    { type: pkcs11js.CKA_SENSITIVE, value: true },
    { type: pkcs11js.CKA_EXTRACTABLE, value: options.backup !== undefined },
    { type: pkcs11js.CKA_SIGN, value: options.use !== 'agree' },
    { type: pkcs11js.CKA_DERIVE, value: options.use === 'agree' },
    { type: pkcs11js.CKA_ID, value: id },
    { type: pkcs11js.CKA_LABEL, value: options.label },
  ]
}

async function wrapOnce(
  connection: TokenConnection,
  session: Handle,
  privateKey: Handle,
  backup: NonNullable<GenerateEcKeyOptions['backup']>,
): Promise<void> {
  const { lib } = connection.module
  const wrappingKey = connection.findOne(
    session,
    [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
      { type: pkcs11js.CKA_WRAP, value: true },
      { type: pkcs11js.CKA_LABEL, value: backup.wrappingKeyLabel },
    ],
    `wrapping key ${backup.wrappingKeyLabel}`,
  )
  const mechanism = { mechanism: pkcs11js.CKM_AES_KEY_WRAP_PAD }
  const wrapped = await lib.C_WrapKeyAsync(session, mechanism, wrappingKey, privateKey, Buffer.alloc(512))
  await backup.keep(new Uint8Array(wrapped))
  lib.C_SetAttributeValue(session, privateKey, [{ type: pkcs11js.CKA_EXTRACTABLE, value: false }])
}

function assertGuarded(connection: TokenConnection, session: Handle, key: Handle, neverExtractable: boolean): void {
  const flag = (attribute: number) => readFlag(connection, session, key, attribute)
  const guarded =
    flag(pkcs11js.CKA_SENSITIVE) &&
    flag(pkcs11js.CKA_ALWAYS_SENSITIVE) &&
    !flag(pkcs11js.CKA_EXTRACTABLE) &&
    (!neverExtractable || flag(pkcs11js.CKA_NEVER_EXTRACTABLE)) &&
    flag(pkcs11js.CKA_LOCAL)
  if (!guarded) {
    throw new CodedError('hsm-unavailable', 'the token made a private key that is not sensitive and non-extractable', {
      details: { reason: 'key-not-guarded' },
    })
  }
}
