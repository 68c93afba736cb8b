/**
 * The job that sends a mail.
 *
 * At least once: a process that dies after the server took the mail and before that is written sends it again, under the same
 * Message-ID. Nothing over SMTP can promise more.
 */

import type { JobHandlers } from '@sallyport/store'
import { writeMail } from './mail-templates.ts'
import type { MailSender } from './smtp.ts'

/** @param sender undefined: no mail server is configured; mails end among the dead jobs, to be retried once there is one. */
export function sendMailWith(sender: MailSender | undefined): JobHandlers['send-mail'] {
  return async ({ id, payload }) => {
    if (sender === undefined) {
      const message = 'No mail server is configured: set SALLYPORT_SMTP_URL, then retry.'
      return { outcome: 'failed', code: 'configuration-invalid', message, forGood: true }
    }
    const sent = await sender.send({ id, to: payload.to, content: writeMail(payload) })
    switch (sent.outcome) {
      case 'accepted':
        return { outcome: 'done' }
      case 'refused':
        return { outcome: 'failed', code: 'mail-refused', message: sent.message, forGood: true }
      case 'unavailable':
        return { outcome: 'failed', code: 'dependency-unavailable', message: sent.message, forGood: false }
    }
  }
}
