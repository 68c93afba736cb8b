/** AES-256 keys in the token that seal small secrets: AES-GCM with the caller's context as additional data. */

import { randomBytes } from 'node:crypto'
import { CodedError } from '@sallyport/errors'
import type { AesGCM, Handle, Mechanism, Template } from 'pkcs11js'
import pkcs11js from 'pkcs11js'
import { returnValueName } from './pkcs11-failure.ts'
import {
  authenticatedData,
  decodeEnvelope,
  encodeEnvelope,
  sealingIvBytes,
  sealingTagBytes,
} from './sealed-envelope.ts'
import type { SealingKey } from './token.ts'
import { readFlag } from './token-attributes.ts'
import type { TokenConnection } from './token-connection.ts'
import type { TokenUse } from './token-use.ts'

const maxSealedBytes = 64 * 1024

export async function generateSealingKey(token: TokenUse, label: string): Promise<void> {
  generationOf(label)
  await token.run(async (connection, session) => {
    if (connection.findAll(session, byLabel(label)).length > 0) {
      throw new CodedError('conflict', `token ${token.label} has a sealing key ${label} already`)
    }
    const { lib } = connection.module
    const key = await lib.C_GenerateKeyAsync(session, { mechanism: pkcs11js.CKM_AES_KEY_GEN }, [
      { type: pkcs11js.CKA_TOKEN, value: true },
      { type: pkcs11js.CKA_PRIVATE, value: true },
      { type: pkcs11js.CKA_SENSITIVE, value: true },
      { type: pkcs11js.CKA_EXTRACTABLE, value: false },
      { type: pkcs11js.CKA_ENCRYPT, value: true },
      { type: pkcs11js.CKA_DECRYPT, value: true },
      { type: pkcs11js.CKA_WRAP, value: false },
      { type: pkcs11js.CKA_UNWRAP, value: false },
      { type: pkcs11js.CKA_VALUE_LEN, value: 32 },
      { type: pkcs11js.CKA_ID, value: randomBytes(16) },
      { type: pkcs11js.CKA_LABEL, value: label },
    ])
    const flag = (attribute: number) => readFlag(connection, session, key, attribute)
    if (flag(pkcs11js.CKA_SENSITIVE) && flag(pkcs11js.CKA_NEVER_EXTRACTABLE) && flag(pkcs11js.CKA_LOCAL)) return
    lib.C_DestroyObject(session, key)
    throw new CodedError('hsm-unavailable', 'the token made a sealing key that is not sensitive and non-extractable', {
      details: { reason: 'key-not-guarded' },
    })
  })
}

export async function findSealingKey(token: TokenUse, label: string): Promise<SealingKey> {
  const generation = generationOf(label)
  await token.run((connection, session) => sealingHandle(connection, session, label))
  return {
    label,
    generation,
    seal: (plaintext, context) => seal(token, { label, generation }, plaintext, context),
    open: (envelope, context) => open(token, { label, generation }, envelope, context),
  }
}

interface KeyName {
  readonly label: string
  readonly generation: number
}

async function seal(token: TokenUse, key: KeyName, plaintext: Uint8Array, context: Uint8Array): Promise<Uint8Array> {
  if (plaintext.length === 0 || plaintext.length > maxSealedBytes || context.length > maxSealedBytes) {
    throw new RangeError(`a sealing key seals 1 to ${maxSealedBytes} bytes`)
  }
  const iv = randomBytes(sealingIvBytes)
  const ciphertext = await token.run(async (connection, session) => {
    const { lib } = connection.module
    lib.C_EncryptInit(session, gcm(iv, key.generation, context), sealingHandle(connection, session, key.label))
    return await lib.C_EncryptAsync(session, Buffer.from(plaintext), Buffer.alloc(plaintext.length + sealingTagBytes))
  })
  return encodeEnvelope({ generation: key.generation, iv, ciphertext })
}

async function open(token: TokenUse, key: KeyName, envelope: Uint8Array, context: Uint8Array): Promise<Uint8Array> {
  const { generation, iv, ciphertext } = decodeEnvelope(envelope)
  if (generation !== key.generation) {
    throw new CodedError('sealed-value-invalid', `the value is sealed by generation ${generation}, not ${key.label}`)
  }
  return await token.run(async (connection, session) => {
    const { lib } = connection.module
    lib.C_DecryptInit(session, gcm(iv, generation, context), sealingHandle(connection, session, key.label))
    try {
      const plaintext = await lib.C_DecryptAsync(session, Buffer.from(ciphertext), Buffer.alloc(ciphertext.length))
      return new Uint8Array(plaintext)
    } catch (error) {
      // A wrong tag is CKR_GENERAL_ERROR in SoftHSM, which elsewhere means a lost token.
      if (!wrongTagReturnValues.has(returnValueName(error) ?? '')) throw error
      throw new CodedError('sealed-value-invalid', `the value does not open with ${key.label} in this context`)
    }
  })
}

const wrongTagReturnValues = new Set([
  'CKR_GENERAL_ERROR',
  'CKR_FUNCTION_FAILED',
  'CKR_ENCRYPTED_DATA_INVALID',
  'CKR_ENCRYPTED_DATA_LEN_RANGE',
])

function gcm(iv: Uint8Array, generation: number, context: Uint8Array): Mechanism {
  const parameter: AesGCM = {
    type: pkcs11js.CK_PARAMS_AES_GCM,
    iv: Buffer.from(iv),
    ivBits: sealingIvBytes * 8,
    aad: Buffer.from(authenticatedData(generation, context)),
    tagBits: sealingTagBytes * 8,
  }
  return { mechanism: pkcs11js.CKM_AES_GCM, parameter }
}

const byLabel = (label: string): Template => [
  { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
  { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
  { type: pkcs11js.CKA_LABEL, value: label },
]

const sealingHandle = (connection: TokenConnection, session: Handle, label: string): Handle =>
  connection.findOne(session, byLabel(label), `sealing key ${label}`)

function generationOf(label: string): number {
  const generation = Number(/^[a-z][a-z0-9-]*-([1-9][0-9]{0,4})$/.exec(label)?.[1])
  if (!(generation <= 0xffff)) {
    throw new CodedError(
      'configuration-invalid',
      `a sealing key's label is <name>-<generation>, not ${JSON.stringify(label)}`,
    )
  }
  return generation
}
