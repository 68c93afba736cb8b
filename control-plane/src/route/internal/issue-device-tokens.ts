/**
 * POST /oauth/token (RFC 6749): device tokens for the gateway, for an onboarding code or a refresh token.
 *
 * The gateway vouches for the association: `device_id` and the credential, `certificate_sha256` or `psk_identity_sha256`, are
 * those that the device has proven.
 */

import { type Static, Type } from '@fastify/type-provider-typebox'
import type { ErrorCode } from '@sallyport/errors'
import { CodedError, isCodedError } from '@sallyport/errors'
import { callerService, type HttpServer, services } from '@sallyport/http'
import type { ActContext, DeviceCredential } from '@sallyport/store'
import { newDeviceRefreshToken, secretHash } from '../../device-tokens.ts'
import type { InternalPorts } from '../../internal-ports.ts'

const Device = {
  device_id: Type.String({ format: 'uuid' }),
  certificate_sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  psk_identity_sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
}
const CodeGrant = Type.Object(
  { grant_type: Type.Literal('authorization_code'), code: Type.String({ minLength: 1, maxLength: 512 }), ...Device },
  { additionalProperties: false },
)
const RefreshGrant = Type.Object(
  {
    grant_type: Type.Literal('refresh_token'),
    refresh_token: Type.String({ minLength: 1, maxLength: 512 }),
    ...Device,
  },
  { additionalProperties: false },
)
const TokenResponse = Type.Object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer(),
  uid: Type.String(),
  device_id: Type.String(),
})
const TokenRefusal = Type.Object({ error: Type.String(), code: Type.String(), error_description: Type.String() })

export function registerIssueDeviceTokens(server: HttpServer, ports: InternalPorts): void {
  server.post(
    '/oauth/token',
    {
      config: { access: services('gateway') },
      schema: { body: Type.Union([CodeGrant, RefreshGrant]), response: { 200: TokenResponse, 400: TokenRefusal } },
    },
    async (request, reply) => {
      const act = { actor: { kind: 'service', id: callerService(request) }, correlationId: request.id } as const
      try {
        const refreshToken = newDeviceRefreshToken()
        const device = await redeem(ports, request.body, refreshToken.hash, act)
        const access = await ports.deviceTokens.issueAccess({
          ...device,
          credential: credentialIn(request.body),
        })
        ports.metrics.tokensIssued('device')
        return {
          access_token: access.token,
          refresh_token: refreshToken.value,
          token_type: 'Bearer' as const,
          expires_in: access.expiresInSeconds,
          uid: device.organizationId,
          device_id: device.deviceId,
        }
      } catch (error) {
        if (!isCodedError(error) || !grantRefusals.has(error.code)) throw error
        return reply.code(400).send({ error: 'invalid_grant', code: error.code, error_description: error.message })
      }
    },
  )
}

type Grant = Static<typeof CodeGrant> | Static<typeof RefreshGrant>

async function redeem(
  { store }: InternalPorts,
  grant: Grant,
  refreshTokenHash: Uint8Array,
  act: ActContext,
): Promise<{ deviceId: string; organizationId: string }> {
  const device = { deviceId: grant.device_id, ...credentialIn(grant) }
  if (grant.grant_type === 'refresh_token') {
    const presented = secretHash(grant.refresh_token)
    return store.deviceTokens.refresh({ ...device, refreshTokenHash: presented, next: { refreshTokenHash } }, act)
  }
  const codeHash = secretHash(grant.code)
  return store.onboardingCodes.redeem({ ...device, codeHash, newFamily: { refreshTokenHash } }, act)
}

/** @throws CodedError `validation-failed` unless exactly one credential is named. */
function credentialIn({
  certificate_sha256: certificateSha256,
  psk_identity_sha256: pskIdentitySha256,
}: Grant): DeviceCredential {
  if (certificateSha256 !== undefined && pskIdentitySha256 === undefined) return { certificateSha256 }
  if (certificateSha256 === undefined && pskIdentitySha256 !== undefined) return { pskIdentitySha256 }
  throw new CodedError('validation-failed', 'Exactly one of certificate_sha256 and psk_identity_sha256 is needed.')
}

/** What the grant itself is to blame for. Everything else is a problem document. */
const grantRefusals: ReadonlySet<ErrorCode> = new Set([
  'onboarding-code-invalid',
  'device-token-invalid',
  'device-not-registered',
  'device-blocked',
  'ownership-mismatch',
  'certificate-not-recorded',
  'token-revoked',
  'token-expired',
  'refresh-failed',
])

/** OAuth speaks form-urlencoded; a repeated parameter is refused (RFC 6749 section 3.2). */
export function acceptForms(server: HttpServer): void {
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) => {
    const parameters = new URLSearchParams(text.toString())
    const names = [...parameters.keys()]
    if (new Set(names).size !== names.length) {
      done(new CodedError('malformed-request', 'A parameter stands in the form twice.'))
      return
    }
    done(null, Object.fromEntries(parameters))
  })
}
