import { layerViolations } from '@sallyport/development'
import { describe, expect, it } from 'vitest'

const rules = {
  packages: {
    low: { folder: 'shared/low', layer: 0, pure: true, imports: [] },
    high: { folder: 'shared/high', layer: 1, imports: ['low'] },
  },
  thirdParty: { pino: 'logs' },
}
const check = (path: string, text: string, ...more: { path: string; text: string }[]) =>
  layerViolations(rules, [{ path, text }, ...more], () => true)

describe('the layer check', () => {
  it('accepts an import that layers.json lists', () => {
    expect(check('shared/high/src/a.ts', "import { b } from '@sallyport/low'\nimport pino from 'pino'\n")).toEqual([])
  })

  it('refuses an import upwards', () => {
    expect(check('shared/low/src/a.ts', "import { b } from '@sallyport/high'\n")).toEqual([
      'shared/low/src/a.ts: low may not import high (layers.json)',
    ])
  })

  it('refuses a deep import, an unlisted package and a path that leaves the package', () => {
    const text =
      "import { b } from '@sallyport/low/src/b.ts'\nimport x from 'left-pad'\nimport { c } from '../../low/src/c.ts'\n"
    expect(check('shared/high/src/a.ts', text)).toHaveLength(3)
  })

  it.each([
    ['Date.now()', 'const now = Date.now()'],
    ['new Date()', 'const now = new Date()'],
    ['randomBytes', 'const id = randomBytes(16)'],
    ['a socket', "import { createSocket } from 'node:dgram'"],
    ['a timer', 'setTimeout(() => {}, 5)'],
    ['the environment', 'const home = process.env.HOME'],
  ])('refuses %s in a pure package', (_, text) => {
    expect(check('shared/low/src/a.ts', `${text}\n`).length).toBeGreaterThan(0)
  })

  it('lets a comment speak of what the code may not do', () => {
    expect(check('shared/low/src/a.ts', '// never Date.now() here\nexport const a = 1\n')).toEqual([])
  })

  it('refuses a cycle of value imports and forgives one of types', () => {
    const b = { path: 'shared/high/src/b.ts', text: "import { a } from './a.ts'\n" }
    expect(check('shared/high/src/a.ts', "import { b } from './b.ts'\n", b)[0]).toContain('import cycle')
    expect(check('shared/high/src/a.ts', "import type { b } from './b.ts'\n", b)).toEqual([])
  })

  it('refuses a file whose name says nothing, and one that belongs to no package', () => {
    expect(check('shared/high/src/utils.ts', '')[0]).toContain('a name that says nothing')
    expect(check('elsewhere/src/a.ts', '')[0]).toContain('belongs to no package')
  })

  it('refuses rules that import upwards themselves', () => {
    const upward = { ...rules, packages: { ...rules.packages, low: { ...rules.packages.low, imports: ['high'] } } }
    expect(layerViolations(upward, [], () => true)[0]).toContain('may not import high')
  })
})
