/** A notification, for somebody who wants its kind by mail too. */

import { type MailContent, mailOf } from '../mail-content.ts'
import type { ParametersOf } from '../mail-templates.ts'
import { shownTime } from '../shown-time.ts'

export const notification = (said: ParametersOf<'notification'>): MailContent =>
  mailOf(said.title, [
    `Hello ${said.username},`,
    said.text,
    `Time: ${shownTime(said.occurredAt)}.`,
    'You get this by mail because your notification preferences say so.',
  ])
