/**
 * Who may use a route. Each route declares it in `config.access`; a server with a route that does not declare it fails to
 * start, and a request to one is refused all the same.
 */

import type { HTTPMethods } from 'fastify'

export type RouteAccess =
  /** Anyone, signed in or not. */
  | { readonly kind: 'public' }
  /** Any person who is signed in. */
  | { readonly kind: 'signed-in' }
  /** A person whose roles give the permission, such as `devices:read`. */
  | { readonly kind: 'permission'; readonly permission: string }
  /** One of our services, by its certificate. */
  | { readonly kind: 'service'; readonly services: readonly string[] }

export const publicAccess: RouteAccess = { kind: 'public' }
export const signedInAccess: RouteAccess = { kind: 'signed-in' }
export const requires = (permission: string): RouteAccess => ({ kind: 'permission', permission })
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
