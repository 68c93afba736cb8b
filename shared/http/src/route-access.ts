/**
 * Who may use a route. Each route declares it in `config.access`; a server with a route that does not declare it fails to
 * start, and a request to one is refused all the same.
 */

import type { HTTPMethods } from 'fastify'

export type RouteAccess =
  /** Anyone, signed in or not. */
  | { readonly kind: 'public' }
  /** Any person who is signed in; with `apiKeys`, any API key too. */
  | { readonly kind: 'signed-in'; readonly apiKeys?: true }
  /** A person whose roles give the permission, such as `devices:read`, or an API key that has it. */
  | ({ readonly kind: 'permission'; readonly permission: string } & PersonConditions)
  /** One of our services, by its certificate. */
  | { readonly kind: 'service'; readonly services: readonly string[] }

/** What a route asks for beyond a permission. Either is a person's alone: no API key satisfies it. */
export interface PersonConditions {
  /** The person has shown that they read mail to their address. */
  readonly verifiedEmail?: true
  /** The person has shown their password a short while ago. */
  readonly recentAuthentication?: true
}

export const publicAccess: RouteAccess = { kind: 'public' }
export const signedInAccess: RouteAccess = { kind: 'signed-in' }
/** Also for API keys. */
export const anyCallerAccess: RouteAccess = { kind: 'signed-in', apiKeys: true }
export const requires = (permission: string, conditions: PersonConditions = {}): RouteAccess => ({
  kind: 'permission',
  permission,
  ...conditions,
})
export const services = (...names: readonly string[]): RouteAccess => ({ kind: 'service', services: names })

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess
  }
}

/** A route as it was declared: what a test enumerates. */
export interface DeclaredRoute {
  readonly method: HTTPMethods
  readonly url: string
  readonly access: RouteAccess | undefined
}
