/**
 * Mail by SMTP (RFC 5321), one connection for each mail, through nodemailer.
 *
 * In production the connection is TLS from the start (`smtps`) or becomes so before anything is said (`STARTTLS`, RFC 3207,
 * required), and the server's certificate is verified. What the server says is an outcome: delivered to it, refused for good
 * (5xx about the mail or its recipient), or to be tried again (4xx, no server, a wrong password, which somebody can set right).
 * The server's words are kept to its status: they may quote the mail.
 */

import { readFileSync } from 'node:fs'
import { CodedError } from '@sallyport/errors'
import { isMailAddress } from '@sallyport/store'
import { createTransport } from 'nodemailer'
import type { MailContent } from './mail-content.ts'

export interface SmtpSettings {
  /** `smtp://user@host:587` or `smtps://…`. */
  readonly url: string
  readonly passwordFile: string | undefined
  /** PEM; undefined: the CAs that Node trusts. */
  readonly authorityFile: string | undefined
  /** `Name <address>` or an address. */
  readonly from: string
  readonly requireTls: boolean
}

export interface OutgoingMail {
  /** The same for every try: a server or a reader that sees it twice can tell. */
  readonly id: string
  readonly to: string
  readonly content: MailContent
}

export type MailOutcome =
  | { readonly outcome: 'accepted' }
  | { readonly outcome: 'refused'; readonly message: string }
  | { readonly outcome: 'unavailable'; readonly message: string }

export interface MailSender {
  send(mail: OutgoingMail): Promise<MailOutcome>
}

const longestConnect = 10_000
const longestSilence = 20_000

/** @throws CodedError `configuration-invalid`. */
export function smtpSender(settings: SmtpSettings): MailSender {
  const from = senderOf(settings.from)
  const url = new URL(settings.url)
  const secure = url.protocol === 'smtps:'
  const transport = createTransport({
    host: url.hostname,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: settings.requireTls,
    ...authOf(url, settings.passwordFile),
    tls: {
      minVersion: 'TLSv1.2',
      ...(settings.authorityFile === undefined ? {} : { ca: readSetting('SALLYPORT_SMTP_CA', settings.authorityFile) }),
    },
    connectionTimeout: longestConnect,
    greetingTimeout: longestConnect,
    socketTimeout: longestSilence,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    async send({ id, to, content }) {
      if (!isMailAddress(to)) return { outcome: 'refused', message: 'The address is none.' }
      try {
        await transport.sendMail({
          ...content,
          from,
          to: { name: '', address: to },
          messageId: `<${id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
          // RFC 3834: nobody's out-of-office answers a program.
          headers: { 'Auto-Submitted': 'auto-generated' },
        })
        return { outcome: 'accepted' }
      } catch (error) {
        return outcomeOf(error)
      }
    },
  }
}

/** @throws CodedError `configuration-invalid` for a sender that could not stand in a header. */
function senderOf(text: string): { readonly name: string; readonly address: string } {
  const [, name = '', inBrackets] = /^([^\p{Cc}<>]*)<([^<>]+)>$/u.exec(text) ?? []
  const address = inBrackets ?? text
  if (isMailAddress(address)) return { name: name.trim(), address }
  throw new CodedError('configuration-invalid', 'SALLYPORT_MAIL_FROM has to be an address, or Name <address>.')
}

function authOf(url: URL, passwordFile: string | undefined) {
  const user = decodeURIComponent(url.username)
  if (user === '') return {}
  const pass =
    passwordFile === undefined
      ? decodeURIComponent(url.password)
      : readSetting('SALLYPORT_SMTP_PASSWORD_FILE', passwordFile).trim()
  return { auth: { user, pass } }
}

function readSetting(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CodedError('configuration-invalid', `${name} cannot be read: ${path}`, { cause })
  }
}

/** Commands whose refusal is about this mail; that of others (`AUTH`, `EHLO`) is about the connection. */
const aboutTheMail = ['MAIL FROM', 'RCPT TO', 'DATA']

function outcomeOf(error: unknown): MailOutcome {
  const { code, command, responseCode } = (error instanceof Error ? error : {}) as {
    readonly code?: unknown
    readonly command?: unknown
    readonly responseCode?: unknown
  }
  const status = typeof responseCode === 'number' ? responseCode : undefined
  const said = typeof command === 'string' ? command : 'CONN'
  if (status !== undefined && status >= 500 && aboutTheMail.includes(said)) {
    return { outcome: 'refused', message: `The mail server refused the mail: ${status} to ${said}.` }
  }
  const reason = status === undefined ? String(code ?? 'unknown') : `${status} to ${said}`
  return { outcome: 'unavailable', message: `The mail server did not take the mail: ${reason}.` }
}
