/** Our small programs on libraries of others, compiled once for a run from `peers/`: wolfSSL in C, pion in Go. */

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from '@sallyport/development'

const source = (name: string): string => join(import.meta.dirname, 'peers', name)
const folder = join(checkoutRoot, '.dev', 'interop-peers')

const compileWolfssl = (name: string) => (to: string) =>
  execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', to, source(`${name}.c`), '-lwolfssl'], {
    stdio: 'pipe',
  })

const compilers = {
  'wolfssl-client': compileWolfssl('wolfssl-client'),
  'wolfssl-psk-client': compileWolfssl('wolfssl-psk-client'),
  // Debian's Go packages lie in one GOPATH; its compiler keeps what it has compiled.
  'pion-client': (to: string) =>
    execFileSync('go', ['build', '-o', to, source('pion-client.go')], {
      stdio: 'pipe',
      env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(folder, 'go-cache') },
    }),
} as const

const compiled = new Map<string, string>()

/** The path of the program. @throws with what the compiler says */
export function peerProgram(name: keyof typeof compilers): string {
  const known = compiled.get(name)
  if (known !== undefined) return known
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  compilers[name](path)
  compiled.set(name, path)
  return path
}
