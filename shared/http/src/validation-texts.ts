/** What is wrong with a request, one text per field, in words that need no knowledge of schemas. */

/** As TypeBox reports it: one schema that is not met may come as several of these. */
export interface SchemaError {
  readonly keyword: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

const mostFieldsNamed = 16

/** `/limit: must be >= 1`; `/` is the whole. */
export function validationTexts(errors: readonly SchemaError[]): readonly string[] {
  const byPath = Map.groupBy(errors, ({ instancePath }) => instancePath)
  const strangers = errors.some(({ keyword }) => keyword === 'boolean')
  return [...byPath]
    .map(([path, found]) => ({
      path,
      // The names that are not known follow one by one.
      found: found.filter(({ keyword }) => !(strangers && keyword === 'additionalProperties')),
    }))
    .filter(({ found }) => found.length > 0)
    .slice(0, mostFieldsNamed)
    .map(({ path, found }) => `${path === '' ? '/' : path}: ${textOf(found)}`)
}

function textOf(errors: readonly SchemaError[]): string {
  if (errors.some(({ keyword }) => keyword === 'boolean')) return 'is not known here'
  const allowed = errors.flatMap(({ params }) => ('allowedValue' in params ? [String(params.allowedValue)] : []))
  if (allowed.length > 0) return `must be ${allowed.join(' or ')}`
  const alternatives = errors.some(({ keyword }) => keyword === 'anyOf')
  const texts = errors.filter(({ keyword }) => keyword !== 'anyOf').map(({ message }) => message)
  return texts.join(alternatives ? ' or ' : ' and ')
}
