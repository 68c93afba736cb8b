/** To an address that somebody says is theirs. */

import { type MailContent, mailOf } from '../mail-content.ts'
import type { ParametersOf } from '../mail-templates.ts'
import { shownTime } from '../shown-time.ts'

export const emailVerification = (said: ParametersOf<'email-verification'>): MailContent =>
  mailOf('Confirm your e-mail address', [
    `Hello ${said.username},`,
    'confirm that this is your address for Sallyport:',
    ...(said.url === undefined ? [] : [{ url: said.url }]),
    { code: said.code },
    `It is good for one use, until ${shownTime(said.expiresAt)}. If you did not ask for this, do nothing.`,
  ])
