/** To somebody who forgot their password, or of whom somebody says so. */

import { type MailContent, mailOf } from '../mail-content.ts'
import type { ParametersOf } from '../mail-templates.ts'
import { shownTime } from '../shown-time.ts'

export const passwordReset = (said: ParametersOf<'password-reset'>): MailContent =>
  mailOf('A new password', [
    `Hello ${said.username},`,
    'somebody asked for a new password for your account. To set one:',
    ...(said.url === undefined ? [] : [{ url: said.url }]),
    { code: said.code },
    `It is good for one use, until ${shownTime(said.expiresAt)}. If it was not you, do nothing: your password stays.`,
  ])
