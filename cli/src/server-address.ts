/** The address of a server, in one form. */

import { CommandFailure } from './command-failure.ts'

const ownHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Without a slash at the end, and with nothing beside scheme, host, port and path.
 *
 * @throws CommandFailure for one that is none, or would carry passwords in the clear to another machine.
 */
export function serverAddress(text: string): string {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new CommandFailure('usage', `"${text}" is no address of a server: https://host, or http://localhost:port.`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new CommandFailure('usage', 'The address of a server has neither credentials nor a query.')
  }
  if (url.protocol === 'http:' && !ownHosts.has(url.hostname) && !url.hostname.endsWith('.localhost')) {
    throw new CommandFailure(
      'usage',
      `http:// is for this machine alone: https://${url.host} keeps the password secret.`,
    )
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}
