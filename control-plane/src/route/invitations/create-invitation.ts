/**
 * POST /api/v1/invitations: invites one person, once. The token goes to the invited person by mail alone, which is what proves the
 * address; without a mail server it is in this answer and nowhere else.
 */

import { createHash, randomBytes } from 'node:crypto'
import { Type } from '@fastify/type-provider-typebox'
import { days } from '@sallyport/clock'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { Invitation, presentInvitation, RoleNames } from '../organization/organization-view.ts'

const lifetime = days(7)

export const invitationTokenHash = (token: string): Uint8Array => createHash('sha256').update(token).digest()

export function registerCreateInvitation(server: HttpServer, { store, sendsMail }: ApiPorts): void {
  server.post(
    '/api/v1/invitations',
    {
      config: { access: requires('invitations:write'), once: true },
      schema: {
        operationId: 'createInvitation',
        summary: 'Invite somebody into the organization',
        description:
          'The invited person gets a token by mail, with which they join, once, within seven days. Without a mail server the answer holds it: hand it on over a way that only they read. An open invitation for the same address is revoked. Nobody invites to a role that allows more than they may themselves.',
        tags: ['organization'],
        body: Type.Object(
          {
            email: Type.String({ minLength: 3, maxLength: 254, pattern: '^[^@\\s]+@[^@\\s]+$' }),
            roles: RoleNames,
          },
          { additionalProperties: false },
        ),
        response: {
          201: Type.Object({
            ...Invitation.properties,
            token: Type.Optional(Type.String({ description: 'Where no mail goes out; shown this once.' })),
          }),
        },
      },
    },
    async (request, reply) => {
      const token = randomBytes(32).toString('base64url')
      const invitation = await store.invitations.create(
        callerOf(request).organizationId,
        {
          ...request.body,
          tokenHash: invitationTokenHash(token),
          lifetime,
          delivery: sendsMail ? { mailedToken: token } : 'shown',
        },
        actOf(request),
      )
      return reply.code(201).send({ ...presentInvitation(invitation), ...(sendsMail ? {} : { token }) })
    },
  )
}
