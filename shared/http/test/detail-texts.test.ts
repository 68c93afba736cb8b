import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { languages } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { detailText, detailTexts } from '../src/detail-texts.ts'

const root = new URL('../../..', import.meta.url).pathname
const others = languages.filter((language) => language !== 'en')

/** What stands in the sources of who throws, with `{…}` for each `${…}` of a template. */
function saidInSources(): string {
  const files = execFileSync('git', ['ls-files', 'control-plane/src', 'shared/*/src/*'], {
    cwd: root,
    encoding: 'utf8',
  })
  return files
    .split('\n')
    .filter((path) => path.endsWith('.ts') && !path.endsWith('detail-texts.ts'))
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n')
    .replace(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, '{}')
}

describe('the details of problems in other languages', () => {
  it('are all said somewhere', () => {
    const sources = saidInSources()
    const dead = Object.keys(detailTexts).filter((detail) => {
      const general = detail.replace(/\{\w+\}/g, '{}')
      // One entry for the versions of every kind of object.
      return (
        !sources.includes(general) && !sources.includes(general.replace('The {} has version', 'The device has version'))
      )
    })
    expect(dead).toEqual([])
  })

  it('hold in each language the same parts that differ', () => {
    for (const [detail, texts] of Object.entries(detailTexts)) {
      const parts = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort()
      for (const language of others) {
        const given = parts(texts[language])
        expect(parts(detail), detail).toEqual(expect.arrayContaining(given))
        if (!detail.startsWith('The {object}')) expect(given, `${language}: ${detail}`).toEqual(parts(detail))
      }
    }
  })

  it('take over what differs as it is', () => {
    expect(detailText('The permission devices:write is missing.', 'de')).toBe('Die Berechtigung devices:write fehlt.')
    expect(detailText('The device has version 3, not 2.', 'fr')).toBe('L’objet a la version 3, pas 2.')
    expect(detailText('There is no role {name} $& $1.', 'es')).toBe('No hay ningún rol {name} $& $1.')
  })

  it.each(['', '__proto__', 'constructor', 'toString', 'Something else.', 'a'.repeat(5000)])(
    'do not know %j',
    (detail) => {
      expect(detailText(detail, 'de')).toBeUndefined()
    },
  )
})
