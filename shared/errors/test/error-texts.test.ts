import { type ErrorCode, errorCatalogue, errorText, languages } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'

const codes = Object.keys(errorCatalogue) as ErrorCode[]
const others = languages.filter((language) => language !== 'en')

describe.each(others)('the error texts in %s', (language) => {
  it('[1.10] [1.13] [1.18] [1.20] [1.22] [1.23] [1.24] are there for every code, as sentences, and are not the English ones', () => {
    for (const code of codes) {
      const { title, remedy } = errorText(code, language)
      for (const sentence of [title, remedy]) expect(sentence, code).toMatch(/^\p{Lu}.*\.$/u)
      expect(title, code).not.toBe(errorCatalogue[code].title)
      expect(remedy, code).not.toBe(errorCatalogue[code].remedy)
    }
  })

  it('name what the English ones name in the words of a protocol', () => {
    const names = /If-Match|ETag|Idempotency-Key|Retry-After|Bearer|allowsPsk|PKCS#10|RFC \d+|docs\/\S+\.md|\/readyz/g
    for (const code of codes) {
      const english = errorCatalogue[code]
      const translated = errorText(code, language)
      for (const part of ['title', 'remedy'] as const) {
        for (const [name] of english[part].matchAll(names)) expect(translated[part], code).toContain(name)
      }
    }
  })
})
