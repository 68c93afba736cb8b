/** A mail, ready but for its way: the same said as text and as HTML. */

import { type Html, html } from './html-text.ts'

export interface MailContent {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** Paragraphs become a mail: what a reader sees is the same in both forms, and no link hides behind other words. */
export function mailOf(subject: string, paragraphs: readonly (string | MailCode | MailLink)[]): MailContent {
  return {
    subject,
    text: `${paragraphs.map(asText).join('\n\n')}\n`,
    html: html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${subject}</title></head>
<body style="font-family: sans-serif; line-height: 1.5; max-width: 40em">${joined(paragraphs.map(asHtml))}
</body></html>
`.markup,
  }
}

/** Something to copy. */
export interface MailCode {
  readonly code: string
}

/** An address to open, shown as it is. */
export interface MailLink {
  readonly url: string
}

const asText = (part: string | MailCode | MailLink): string =>
  typeof part === 'string' ? part : 'code' in part ? `    ${part.code}` : part.url

const asHtml = (part: string | MailCode | MailLink): Html => {
  if (typeof part === 'string') return html`<p>${part}</p>`
  return 'code' in part
    ? html`<p style="font-family: monospace; font-size: 1.3em">${part.code}</p>`
    : html`<p><a href="${part.url}">${part.url}</a></p>`
}

const joined = (parts: readonly Html[]): Html =>
  parts.reduce(
    (all, part) => html`${all}
${part}`,
    html``,
  )
