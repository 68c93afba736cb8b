/** POST /oic/sec/tokenrefresh: a new pair of tokens, bound to the certificate of this association, for the refresh token. */

import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { optionalTextAt, textAt } from '@sallyport/representation'
import { assertOwnDevice } from '../device-id.ts'
import { type DeviceResource, logFieldsOf } from '../device-request.ts'
import { answer, requestBody } from '../message-body.ts'
import type { TokenEndpoint } from '../token-endpoint.ts'

export interface TokenRefreshOptions {
  readonly endpoint: Pick<TokenEndpoint, 'refresh'>
  readonly log: Logger
}

export function tokenRefreshResource(options: TokenRefreshOptions): DeviceResource {
  return {
    path: '/oic/sec/tokenrefresh',
    attributes: { rt: 'oic.r.tokenrefresh', ct: [10000, 60, 50] },
    handlers: {
      async POST(request) {
        const { association, correlationId } = request
        const body = requestBody(request)
        assertOwnDevice(textAt(body, 'di'), association.identity)
        const grantType = optionalTextAt(body, 'granttype')
        if (grantType !== undefined && grantType !== 'refresh_token') {
          throw new CodedError('validation-failed', "'granttype' is not refresh_token")
        }
        const owner = textAt(body, 'uid')
        if (owner !== association.identity.organizationId) {
          throw new CodedError('refresh-failed', 'uid is not the owner of the device.')
        }
        const tokens = await options.endpoint.refresh(textAt(body, 'refreshtoken'), association.identity, correlationId)
        options.log.info({ ...logFieldsOf(association), correlationId }, 'device tokens refreshed')
        return answer(request, '2.04', {
          accesstoken: tokens.accessToken,
          refreshtoken: tokens.refreshToken,
          expiresin: tokens.expiresIn,
        })
      },
    },
  }
}
