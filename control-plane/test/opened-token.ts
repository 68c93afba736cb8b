/** A PKCS#11 token of SoftHSM, made for a test and opened as the control plane opens its own. */

import { readFileSync } from 'node:fs'
import { SecretBytes, utf8 } from '@sallyport/bytes'
import { testHome, tokenForTest } from '@sallyport/development'
import { fileTokenLock, openToken, type Token } from '@sallyport/hsm'

export const openTokenForTest = async (name: string): Promise<Token> => openedToken(await tokenForTest(name))

export async function openedToken({
  modulePath,
  label,
  pinFile,
}: Awaited<ReturnType<typeof tokenForTest>>): Promise<Token> {
  return await openToken({
    modulePath,
    tokenLabel: label,
    pin: new SecretBytes(utf8(readFileSync(pinFile, 'utf8').trim())),
    lock: fileTokenLock(`${testHome()}/${label}.lock`),
  })
}
