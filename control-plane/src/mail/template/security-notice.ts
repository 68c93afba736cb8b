/** To somebody to whose account something happened; it holds nothing to open, so that its like cannot be phished with. */

import { type MailContent, mailOf } from '../mail-content.ts'
import type { ParametersOf } from '../mail-templates.ts'
import { shownTime } from '../shown-time.ts'

export const securityNotice = (said: ParametersOf<'security-notice'>): MailContent =>
  mailOf('Security notice for your account', [
    `Hello ${said.username},`,
    said.happened,
    `Time: ${shownTime(said.occurredAt)}. Address: ${said.address}.`,
    'If it was not you, change your password and tell the administrator of your organization.',
  ])
