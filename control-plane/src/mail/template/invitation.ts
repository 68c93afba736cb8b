/** To somebody who was invited to an organization; the address is proven by the code that comes back. */

import { type MailContent, mailOf } from '../mail-content.ts'
import type { ParametersOf } from '../mail-templates.ts'
import { shownTime } from '../shown-time.ts'

export const invitation = (said: ParametersOf<'invitation'>): MailContent =>
  mailOf(`Invitation to ${said.organizationName}`, [
    `${said.invitedBy} invites you to ${said.organizationName} on Sallyport, with the role ${said.role}.`,
    ...(said.url === undefined ? [] : ['To accept, open', { url: said.url }]),
    said.url === undefined ? 'To accept, use this code:' : 'or use this code:',
    { code: said.code },
    'If you have an account with this address, sign in to it first and join with the code; it lets no other account in.',
    `It is good for one use, until ${shownTime(said.expiresAt)}. If you did not expect this, do nothing.`,
  ])
