/**
 * Passwords as argon2id hashes (RFC 9106; 19 MiB, t=2, p=1: the OWASP floor), in PHC text form.
 *
 * The work runs on libuv's threads, a few at a time: a flood of logins waits or is turned away, the loop stays free.
 * An unknown user costs the same work as a known one.
 */

import { argon2, randomBytes } from 'node:crypto'
import { constantTimeEqual, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'

interface Cost {
  readonly memoryKib: number
  readonly passes: number
  readonly parallelism: number
}

const cost: Cost = { memoryKib: 19_456, passes: 2, parallelism: 1 }
const tagBytes = 32
const atOnce = 2
const longestQueue = 64

/** Longer passwords are refused before any work: the hash would take them, a flood of them would not be cheap. */
export const maxPasswordBytes = 512

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const tag = await derive(utf8(password), salt, cost)
  const parameters = `m=${cost.memoryKib},t=${cost.passes},p=${cost.parallelism}`
  return `$argon2id$v=19$${parameters}$${withoutPadding(salt)}$${withoutPadding(tag)}`
}

/**
 * @param hash undefined for a user who does not exist: the same time passes, and the answer is no.
 * @throws CodedError `overloaded` when too many wait already.
 */
export async function verifyPassword(password: string, hash: string | undefined): Promise<boolean> {
  const parsed = parse(hash ?? unknownUserHash)
  if (parsed === undefined) throw new CodedError('internal', 'a stored password hash is not argon2id')
  const tag = await derive(utf8(password), parsed.salt, parsed.cost)
  return constantTimeEqual(tag, parsed.tag) && hash !== undefined
}

/** Of no password: a random tag. */
const unknownUserHash = `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=${cost.parallelism}$${withoutPadding(randomBytes(16))}$${withoutPadding(randomBytes(tagBytes))}`

const phcForm = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([\w+/]{11,86})\$([\w+/]{22,86})$/

function parse(hash: string): { cost: Cost; salt: Uint8Array; tag: Uint8Array } | undefined {
  const [, memoryKib, passes, parallelism, salt, tag] = phcForm.exec(hash) ?? []
  if (salt === undefined || tag === undefined) return undefined
  return {
    cost: { memoryKib: Number(memoryKib), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
}

const waiting: (() => void)[] = []
let running = 0

async function derive(
  message: Uint8Array,
  nonce: Uint8Array,
  { memoryKib, passes, parallelism }: Cost,
): Promise<Uint8Array> {
  if (running >= atOnce) {
    if (waiting.length >= longestQueue) throw new CodedError('overloaded', 'Too many logins at once.')
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else {
    running += 1
  }
  try {
    return await new Promise((resolve, reject) => {
      const parameters = { message, nonce, memory: memoryKib, passes, parallelism, tagLength: tagBytes }
      argon2('argon2id', parameters, (error, tag) => (error === null ? resolve(tag) : reject(error)))
    })
  } finally {
    // The place goes to the next in line; only when there is none it is given back.
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
}

function withoutPadding(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
