/** Shows the password again where an act wants a recent log-in, and does the act then. */

import { hasProblemCode } from '@sallyport/client'
import { CommandFailure } from './command-failure.ts'
import type { Invocation } from './invocation.ts'

/** @param passwordFile as for `login`; without it the person is asked. */
export async function withRecentLogin<Answer>(
  invocation: Invocation,
  passwordFile: string | undefined,
  act: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await act()
  } catch (error) {
    if (!hasProblemCode(error, 'reauthentication-required')) throw error
  }
  const { surroundings, profiles } = invocation
  const { profile, server } = invocation.target()
  if (passwordFile === undefined && !surroundings.stdin.isTerminal) {
    throw new CommandFailure(
      'unauthenticated',
      'The password was shown too long ago: give --password-file, or log in again.',
    )
  }
  const password =
    passwordFile === undefined
      ? await surroundings.askSecret('Your password, once more: ')
      : (await invocation.readInput(passwordFile)).replace(/\r?\n$/, '')
  const { body } = await invocation.client().call('reauthenticate', { body: { password } })
  const store = profiles.sessionStore(profile, server)
  await store.exclusively(async () => {
    const kept = await store.read()
    if (kept === undefined) return
    const expiresAt = surroundings.now() + body.expires_in * 1000
    await store.write({ accessToken: body.access_token, refreshToken: kept.refreshToken, expiresAt })
  })
  return await act()
}
