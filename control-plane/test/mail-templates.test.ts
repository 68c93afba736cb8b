import type { MailMessage } from '@sallyport/store'
import { describe, expect, it } from 'vitest'
import { writeMail } from '../src/mail/mail-templates.ts'

const hostile = `<img src=x onerror="alert('&')">`
const times = { expiresAt: '2026-11-22T15:04:05.000Z', occurredAt: '2026-11-22T15:04:05.000Z' }
const messages: readonly MailMessage[] = [
  {
    to: 'a@example.com',
    template: 'invitation',
    parameters: {
      organizationName: hostile,
      invitedBy: hostile,
      role: 'viewer',
      code: hostile,
      url: 'https://example.com/?a=1&b=2',
      expiresAt: times.expiresAt,
    },
  },
  {
    to: 'a@example.com',
    template: 'email-verification',
    parameters: { username: hostile, code: hostile, expiresAt: times.expiresAt },
  },
  {
    to: 'a@example.com',
    template: 'password-reset',
    parameters: { username: hostile, code: hostile, url: 'https://example.com/', expiresAt: times.expiresAt },
  },
  {
    to: 'a@example.com',
    template: 'security-notice',
    parameters: { username: hostile, happened: hostile, occurredAt: times.occurredAt, address: hostile },
  },
  {
    to: 'a@example.com',
    template: 'notification',
    parameters: { username: hostile, title: hostile, text: hostile, occurredAt: times.occurredAt },
  },
]

describe('every template', () => {
  it.each(messages.map((message) => [message.template, message] as const))(
    '%s says the same as text and as HTML, in which what somebody named is no markup',
    (_name, message) => {
      const { subject, text, html } = writeMail(message)
      expect(subject).not.toBe('')
      expect(text).toContain(hostile)
      expect(html).not.toContain('<img')
      expect(html).toContain('&#60;img src=x onerror=&#34;alert(&#39;&#38;&#39;)&#34;&#62;')
      expect(`${text}${html}`).toContain('2026-11-22 15:04 UTC')
    },
  )

  it('shows a link as the address it leads to', () => {
    const [invitation] = messages
    const { text, html } = writeMail(invitation as MailMessage)
    expect(text).toContain('\nhttps://example.com/?a=1&b=2\n')
    expect(html).toContain('<a href="https://example.com/?a=1&#38;b=2">https://example.com/?a=1&#38;b=2</a>')
  })
})
