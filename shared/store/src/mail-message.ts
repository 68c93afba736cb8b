/**
 * What a mail says: the template and what stands in it. The closed list of templates; how they look is the sender's matter.
 *
 * Addresses and texts are bounded and hold no control characters: nothing that somebody named can become a line of a header.
 */

import { type Static, type TProperties, Type } from 'typebox'

/** A mailbox as RFC 5321 section 4.1.2 has it, without quoted local parts and address literals, which nobody uses. */
export const mailAddressPattern =
  "^(?=.{3,254}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"

const mailAddress = new RegExp(mailAddressPattern, 'u')

/** May a mail go there? Refuses line breaks, lists and comments. */
export const isMailAddress = (text: string): boolean => mailAddress.test(text) && !text.startsWith('-')

const Line = Type.String({ minLength: 1, maxLength: 300, pattern: '^[^\\p{Cc}\\u2028\\u2029]+$' })
const Address = Type.String({ pattern: mailAddressPattern })
const Url = Type.String({ maxLength: 2000, pattern: '^https?://[^\\s<>"\\p{Cc}]+$' })
const Time = Type.String({ pattern: '^[0-9T:.Z-]{20,24}$' })

const template = <const Name extends string, const Parameters extends TProperties>(
  name: Name,
  parameters: Parameters,
) =>
  Type.Object(
    {
      to: Address,
      template: Type.Literal(name),
      parameters: Type.Object(parameters, { additionalProperties: false }),
    },
    { additionalProperties: false },
  )

export const MailMessage = Type.Union([
  /** Somebody was invited to an organization. */
  template('invitation', {
    organizationName: Line,
    invitedBy: Line,
    role: Line,
    code: Line,
    url: Type.Optional(Url),
    expiresAt: Time,
  }),
  /** Proof that an address belongs to somebody. */
  template('email-verification', { username: Line, code: Line, url: Type.Optional(Url), expiresAt: Time }),
  /** Somebody asked for a new password. */
  template('password-reset', { username: Line, code: Line, url: Type.Optional(Url), expiresAt: Time }),
  /** Something happened to somebody's account that they should know about. */
  template('security-notice', { username: Line, happened: Line, occurredAt: Time, address: Line }),
  /** A notification that somebody wants by mail too. */
  template('notification', { username: Line, title: Line, text: Line, occurredAt: Time }),
])
export type MailMessage = Static<typeof MailMessage>
export type MailTemplate = MailMessage['template']

/** For lists: no parameters, which may hold codes. */
export const describeMail = ({ template: name, to }: MailMessage): string => `${name} to ${to}`
