import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptedLanguage } from '../src/index.ts'

describe('RFC 9110 section 12.5.4: the language that is asked for', () => {
  it.each([
    [undefined, 'en'],
    ['', 'en'],
    ['de', 'de'],
    ['DE-ch', 'de'],
    ['zh, fr;q=0.2', 'fr'],
    ['fr;q=0.5, de;q=0.9', 'de'],
    ['es, de', 'es'],
    ['en;q=0.1, es;q=0.2', 'es'],
    ['*', 'en'],
    ['en;q=0, *;q=0.1', 'de'],
    ['de;q=0, de-AT', 'en'],
    ['de-AT;q=0, de', 'de'],
    ['fr ; q=0.300 ,\tde;q=0.3', 'fr'],
    ['zh, ja', 'en'],
  ])('%j is answered in %s', (header, language) => {
    expect(acceptedLanguage(header)).toBe(language)
  })

  it.each(['de;q=2', 'de;q=1.5', 'de;q=-1', 'de;q=0.1234', 'de;level=1', 'd e', '../de', '{', 'q=1'])(
    'nothing is asked for by %j',
    (header) => {
      expect(acceptedLanguage(header)).toBe('en')
    },
  )

  it('any header is answered, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 4096 }), (header) => {
        expect(['en', 'de', 'fr', 'es']).toContain(acceptedLanguage(header))
      }),
    )
  })

  it('a long header costs no time', () => {
    const start = performance.now()
    acceptedLanguage('de;q=0.1,'.repeat(100_000))
    acceptedLanguage(`de${' '.repeat(100_000)}x`)
    expect(performance.now() - start).toBeLessThan(200)
  })
})
