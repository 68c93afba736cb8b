import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot, testHome } from '@sallyport/development'
import { afterAll, describe, expect, it } from 'vitest'

const folder = mkdtempSync(join(testHome(), 'prepare-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs prepare.sh on a machine that lacks some programs, as root or as somebody else. */
function prepare(o: { without: readonly string[]; uid: number; nodeMajor?: number }) {
  const bin = mkdtempSync(join(folder, 'bin-'))
  const hidden = new Set([...o.without, 'id', 'node'])
  for (const directory of ['/usr/bin', '/bin']) {
    for (const name of readdirSync(directory)) {
      if (hidden.has(name)) continue
      hidden.add(name)
      symlinkSync(join(directory, name), join(bin, name))
    }
  }
  const script = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  script('id', `echo ${o.uid}`)
  script('node', `echo ${o.nodeMajor ?? 24}`)
  const home = mkdtempSync(join(folder, 'home-'))
  mkdirSync(home, { recursive: true })
  const result = spawnSync('/bin/sh', [join(checkoutRoot, 'deploy/development/prepare.sh'), 'test'], {
    env: { PATH: bin, SALLYPORT_HOME: home },
    encoding: 'utf8',
  })
  return { code: result.status, said: result.stderr }
}

describe('preparing a machine', () => {
  it('[5.1] tells an ordinary user the exact line that installs what is missing', () => {
    const { code, said } = prepare({ without: ['redis-server', 'softhsm2-util'], uid: 1000 })
    expect(code).toBe(1)
    expect(said).toContain('these Debian packages are missing: redis-server softhsm2')
    expect(said).toContain('sudo apt-get install -y --no-install-recommends redis-server softhsm2')
  })

  it('[5.1] tells root what is missing where there is no apt-get', () => {
    const { code, said } = prepare({ without: ['redis-server', 'apt-get'], uid: 0 })
    expect(code).toBe(1)
    expect(said).toContain('there is no apt-get to install them: redis-server')
  })

  it('[5.1] names the Node it needs when the machine has an older one', () => {
    const { code, said } = prepare({ without: [], uid: 1000, nodeMajor: 18 })
    expect(code).toBe(1)
    expect(said).toContain('Node 20 or newer is needed')
  })
})
