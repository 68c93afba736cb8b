/**
 * The language of an answer, by `Accept-Language` (RFC 9110 section 12.5.4) and the look-up of RFC 4647 section 3.4: the language
 * with the highest weight of those that we have, the earlier of two with the same. English for who asks for none of them:
 * a problem in another language is better than none.
 *
 * A header that cannot be read asks for nothing. It never fails a request.
 */

import { type Language, languages } from '@sallyport/errors'

const mostRanges = 32

export function acceptedLanguage(header: string | undefined): Language {
  let best: { readonly language: Language; readonly weight: number } | undefined
  const refused = new Set<Language>()
  const ranges = rangesOf(header)
  for (const { range, weight } of ranges) {
    if (weight > 0 || range === '*') continue
    const language = languageFor(range)
    // `de-AT;q=0` refuses Austria's German, not German.
    if (language === range) refused.add(language)
  }
  for (const { range, weight } of ranges) {
    const language = range === '*' ? languages.find((each) => !refused.has(each)) : languageFor(range)
    if (language === undefined || weight === 0 || refused.has(language)) continue
    if (best === undefined || weight > best.weight) best = { language, weight }
  }
  return best?.language ?? languages[0]
}

function rangesOf(header: string | undefined): readonly { readonly range: string; readonly weight: number }[] {
  return (header ?? '').split(',', mostRanges).flatMap((item) => {
    const read = /^[ \t]*(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)[ \t]*(?:;[ \t]*q=([01](?:\.\d{0,3})?)[ \t]*)?$/i.exec(item)
    if (read === null) return []
    const [, range = '', weight = '1'] = read
    return Number(weight) > 1 ? [] : [{ range: range.toLowerCase(), weight: Number(weight) }]
  })
}

/** `de-ch-1996` is answered in `de`. */
function languageFor(range: string): Language | undefined {
  const [primary] = range.split('-', 1)
  return languages.find((language) => language === primary)
}
