import { clientOperations } from '@sallyport/development'
import { describe, expect, it } from 'vitest'

const document = (operation: object, path = '/things/{thingId}') =>
  JSON.stringify({ paths: { [path]: { get: operation } }, components: { schemas: {} } })
const operation = (schema: object, parameters: readonly object[] = []) => ({
  operationId: 'readThing',
  summary: 'A thing',
  parameters,
  responses: { 200: { content: { 'application/json': { schema } } }, default: {} },
})

describe("the client's generator", () => {
  it.each([
    [{ type: 'string', format: 'date-time', maxLength: 9 }, 'string'],
    [{ type: 'integer' }, 'number'],
    [{ anyOf: [{ type: 'string', enum: ["it's"] }, { type: 'null' }] }, "'it\\'s' | null"],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ type: 'array', items: { anyOf: [{ const: 1 }, { const: 2 }] } }, 'readonly (1 | 2)[]'],
    [{ type: 'object', additionalProperties: { type: 'boolean' } }, 'Readonly<Record<string, boolean>>'],
    [{ description: 'Any JSON value.' }, 'unknown'],
    [{ $ref: '#/components/schemas/Problem' }, 'Problem'],
  ])('writes %j as %s', (schema, type) => {
    expect(clientOperations(document(operation(schema)))).toContain(`readonly status: 200; readonly body: ${type} }`)
  })

  it('writes what is optional so that it may be undefined, and names parameters as a program does', () => {
    const parameters = [{ name: 'if-match', in: 'header', schema: { type: 'string' } }]
    const schema = { type: 'object', required: ['a'], properties: { a: { type: 'null' }, b: { type: 'string' } } }
    const written = clientOperations(document(operation(schema, parameters)))
    expect(written).toContain('readonly ifMatch?: string | undefined')
    expect(written).toContain('readonly a: null\n')
    expect(written).toContain('readonly b?: string | undefined\n')
  })

  it.each([
    ['a keyword that it does not know', operation({ allOf: [] }), 'allOf'],
    ['a type that it does not know', operation({ type: 'file' }), 'file'],
    ['an operation without a name', { ...operation({}), operationId: 'a b' }, 'operationId'],
    [
      'two parameters of one name',
      operation({}, [
        { name: 'id', in: 'path', schema: {} },
        { name: 'id', in: 'query', schema: {} },
      ]),
      'one name',
    ],
  ])('refuses %s', (_, bad, said) => {
    expect(() => clientOperations(document(bad))).toThrow(said)
  })

  it('does not let a text of the document end its comment', () => {
    const written = clientOperations(document({ ...operation({}), summary: 'a */ const evil = 1 /*' }))
    expect(written).not.toContain('*/ const')
  })
})
