/** Template → how it is written. The compiler proves that none is missing. */

import type { MailMessage, MailTemplate } from '@sallyport/store'
import type { MailContent } from './mail-content.ts'
import { emailVerification } from './template/email-verification.ts'
import { invitation } from './template/invitation.ts'
import { notification } from './template/notification.ts'
import { passwordReset } from './template/password-reset.ts'
import { securityNotice } from './template/security-notice.ts'

export type ParametersOf<Template extends MailTemplate> = Extract<MailMessage, { template: Template }>['parameters']

const templates: { readonly [Template in MailTemplate]: (parameters: ParametersOf<Template>) => MailContent } = {
  invitation,
  'email-verification': emailVerification,
  'password-reset': passwordReset,
  'security-notice': securityNotice,
  notification,
}

type MessageOf<Template extends MailTemplate> = {
  [Each in Template]: { readonly template: Each; readonly parameters: ParametersOf<Each> }
}[Template]

export const writeMail = <Template extends MailTemplate>({ template, parameters }: MessageOf<Template>): MailContent =>
  templates[template](parameters)
