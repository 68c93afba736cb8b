/**
 * A mail server that delivers nowhere: what it takes lands in a folder, for people who run Sallyport at home, and in memory,
 * for tests, which can also make it refuse, stall or go away. A real SMTP server (the package smtp-server), on loopback only.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export interface ReceivedMail {
  /** Whom the envelope names, which is where a mail goes, whatever its headers say. */
  readonly recipients: readonly string[]
  readonly mail: Email
  /** As it came. */
  readonly source: string
}

/** What the server answers instead of taking a mail: `at` the recipient or after the whole mail. */
export interface Refusal {
  readonly at: 'rcpt' | 'data'
  readonly status: number
}

export interface MailServer {
  /** `smtp://127.0.0.1:…` */
  readonly url: string
  readonly port: number
  readonly received: readonly ReceivedMail[]
  /** How mails to an address fare; undefined: they are taken. `stall` never answers. */
  treat(rule: (recipient: string) => Refusal | 'stall' | undefined): void
  /** Connections end; what is being sent was not taken. */
  stop(): Promise<void>
}

export interface MailServerOptions {
  /** 0: a free one. */
  readonly port: number
  /** Where mails are written, one `.eml` each, with what a reader would show beside it. */
  readonly folder?: string
  /** TLS and a log-in; without it the server has neither. */
  readonly secured?: { readonly key: string; readonly cert: string; readonly user: string; readonly password: string }
}

export async function startMailServer(options: MailServerOptions): Promise<MailServer> {
  const received: ReceivedMail[] = []
  let rule: (recipient: string) => Refusal | 'stall' | undefined = () => undefined
  const server = new SMTPServer({
    ...securityOf(options.secured),
    disableReverseLookup: true,
    logger: false,
    size: 1_048_576,
    closeTimeout: 100,
    onRcptTo({ address }, _session, callback) {
      const refusal = rule(address)
      callback(
        refusal === undefined || refusal === 'stall' || refusal.at === 'data' ? null : refusedWith(refusal.status),
      )
    },
    onData(stream, session, callback) {
      const recipients = session.envelope.rcptTo.map(({ address }) => address)
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const treatment = recipients.map(rule).find((one) => one !== undefined)
        if (treatment === 'stall') return
        if (treatment !== undefined) return callback(refusedWith(treatment.status))
        const source = Buffer.concat(chunks).toString('utf8')
        PostalMime.parse(source).then(
          (mail) => {
            received.push({ recipients, mail, source })
            if (options.folder !== undefined) writeMail(options.folder, recipients, mail, source)
            callback(null)
          },
          (error: Error) => callback(error),
        )
      })
    },
  })
  // A client that goes away in the middle is no reason to end.
  server.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    received,
    treat(next) {
      rule = next
    },
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

function securityOf(secured: MailServerOptions['secured']): SMTPServerOptions {
  if (secured === undefined) return { authOptional: true, disabledCommands: ['AUTH', 'STARTTLS'] }
  const { key, cert, user, password } = secured
  return {
    key,
    cert,
    onAuth: (auth, _session, callback) =>
      auth.username === user && auth.password === password
        ? callback(null, { user })
        : callback(new Error('Authentication failed')),
  }
}

const refusedWith = (status: number): Error => Object.assign(new Error('The test says so'), { responseCode: status })

function writeMail(folder: string, recipients: readonly string[], mail: Email, source: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const to = (recipients[0] ?? 'nobody').replace(/[^A-Za-z0-9@.+-]/g, '_').slice(0, 80)
  const name = join(folder, `${new Date().toISOString().replaceAll(':', '-')}-${to}`)
  writeFileSync(`${name}.eml`, source, { mode: 0o600 })
  if (mail.html !== undefined) writeFileSync(`${name}.html`, mail.html, { mode: 0o600 })
}
