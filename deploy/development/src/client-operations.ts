/**
 * Writes `shared/client/src/operations.ts` from the OpenAPI document: a table of the operations for run time, and the types of
 * what each takes and answers.
 *
 * It knows the part of JSON Schema (OpenAPI 3.1) that our routes use, and throws at any other keyword that would change a type:
 * a client that says less than the document, or something else, is not written.
 */

interface Schema {
  readonly [keyword: string]: unknown
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly description?: string
  readonly schema: Schema
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
  readonly description?: string
}

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: Content & { readonly required?: boolean }
  readonly responses: Readonly<Record<string, Content>>
  readonly security?: readonly unknown[]
}

interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

interface Described {
  readonly name: string
  readonly table: string
  readonly types: string
}

export const clientOperationsPath = 'shared/client/src/operations.ts'

const json = 'application/json'
const eventStream = 'text/event-stream'
const jsonLines = 'application/x-ndjson'

/** @param openapi the document as text. */
export function clientOperations(openapi: string): string {
  const document = JSON.parse(openapi) as OpenApiDocument
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => describe(path, method, operation)),
  )
  const names = described.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`two operations are called ${twice}`)
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) => `${comment(schema.description, '')}export type ${name} = ${typeOf(schema, '')}\n`,
  )
  return `/**
 * The operations of the HTTP API and their types. Generated from control-plane/openapi.json by \`make docs\`: a change here is
 * lost, and \`make check\` refuses it.
 */

export interface OperationDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** \`{name}\` stands for a parameter. */
  readonly path: string
  readonly parameters: Readonly<Record<string, 'path' | 'query' | 'header'>>
  /** Whether it wants a token. */
  readonly authenticated: boolean
  /** Whether it takes an \`Idempotency-Key\`. */
  readonly once: boolean
  readonly answers: 'object' | 'page' | 'events' | 'lines' | 'nothing'
}

export const operations = {
${described.map(({ table }) => table).join('')}} as const satisfies Readonly<Record<string, OperationDefinition>>

export interface OperationTypes {
${described.map(({ types }) => types).join('')}}

${schemas.join('\n')}`
}

function describe(path: string, method: string, operation: Operation): Described {
  const { operationId: name, summary, description, parameters = [], requestBody, responses, security } = operation
  if (!/^[a-z][A-Za-z]*$/.test(name)) throw new Error(`${method} ${path} has no operationId that is a name`)
  const named = parameters.map((parameter) => ({ ...parameter, field: camelCase(parameter.name) }))
  const taken = [...named.map(({ field }) => field), ...(requestBody === undefined ? [] : ['body'])]
  if (new Set(taken).size < taken.length) throw new Error(`${name} has two parameters of one name`)
  const once = named.some(({ field, in: place }) => place === 'header' && field === 'idempotencyKey')
  const places = named.map(({ field, in: place }) => `${field}: '${place}'`).join(', ')
  const statuses = Object.keys(responses).filter((status) => /^2\d\d$/.test(status))
  if (statuses.length === 0) throw new Error(`${name} has no answer`)
  const table = `  ${name}: {
    method: '${method.toUpperCase()}',
    path: '${path}',
    parameters: {${places === '' ? '' : ` ${places} `}},
    authenticated: ${security !== undefined && security.length > 0},
    once: ${once},
    answers: '${kindOf(named, responses)}',
  },
`
  const fields = named.map(
    ({ field, required, description: meaning, schema }) =>
      `${comment(meaning, '      ')}      readonly ${field}${optional(required)}: ${typeOf(schema, '      ')}${orUndefined(required)}\n`,
  )
  if (requestBody !== undefined) {
    const schema = requestBody.content?.[json]?.schema
    if (schema === undefined) throw new Error(`${name} takes a body that is not JSON`)
    fields.push(`      readonly body${optional(requestBody.required)}: ${typeOf(schema, '      ')}\n`)
  }
  const types = `${comment([summary, description].filter((text) => text !== undefined).join('. '), '  ')}  readonly ${name}: {
    readonly request: ${fields.length === 0 ? 'Readonly<Record<string, never>>' : `{\n${fields.join('')}    }`}
    readonly answer: ${union(statuses.map((status) => answerOf(name, status, responses[status] ?? {})))}
  }
`
  return { name, table, types }
}

function kindOf(
  parameters: readonly { readonly field: string }[],
  responses: Operation['responses'],
): 'object' | 'page' | 'events' | 'lines' | 'nothing' {
  const content = responses['200']?.content ?? {}
  if (content[eventStream] !== undefined) return 'events'
  if (content[jsonLines] !== undefined) return 'lines'
  const schema = Object.entries(responses).find(([status]) => /^2/.test(status))?.[1].content?.[json]?.schema
  if (schema === undefined) return 'nothing'
  const properties = schema.properties as Schema | undefined
  const isPage = properties?.nextCursor !== undefined && parameters.some(({ field }) => field === 'cursor')
  return isPage ? 'page' : 'object'
}

function answerOf(name: string, status: string, { content }: Content): string {
  const schema = content?.[json]?.schema ?? content?.[eventStream]?.schema ?? content?.[jsonLines]?.schema
  if (content !== undefined && schema === undefined) throw new Error(`${name} answers ${status} with no JSON`)
  return `{ readonly status: ${status}; readonly body: ${schema === undefined ? 'undefined' : typeOf(schema, '    ')} }`
}

/** Keywords that bound values, or explain: the type is the same without them. */
const withoutType = new Set(
  'description title format minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength pattern minItems maxItems uniqueItems minProperties maxProperties default examples'.split(
    ' ',
  ),
)
const withType = new Set('type enum const anyOf oneOf $ref items properties required additionalProperties'.split(' '))

function typeOf(schema: Schema, indent: string): string {
  for (const keyword of Object.keys(schema)) {
    if (!withoutType.has(keyword) && !withType.has(keyword) && !keyword.startsWith('x-'))
      throw new Error(`the client's generator does not know the keyword ${keyword}`)
  }
  if (typeof schema.$ref === 'string') return schema.$ref.replace('#/components/schemas/', '')
  if ('const' in schema) return literal(schema.const)
  if (Array.isArray(schema.enum)) return union(schema.enum.map(literal))
  const alternatives = schema.anyOf ?? schema.oneOf
  if (Array.isArray(alternatives)) return union(alternatives.map((each: Schema) => typeOf(each, indent)))
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => typeOf({ ...schema, type }, indent)))
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type
    case 'integer':
    case 'number':
      return 'number'
    case 'array':
      return `readonly ${inParentheses(typeOf((schema.items ?? {}) as Schema, indent))}[]`
    case 'object':
      return objectType(schema, indent)
    case undefined:
      return 'unknown'
    default:
      throw new Error(`the client's generator does not know the type ${String(schema.type)}`)
  }
}

function objectType(schema: Schema, indent: string): string {
  const properties = Object.entries((schema.properties ?? {}) as Readonly<Record<string, Schema>>)
  const required = (schema.required ?? []) as readonly string[]
  const { additionalProperties } = schema
  if (properties.length === 0) {
    const values = typeof additionalProperties === 'object' ? typeOf(additionalProperties as Schema, indent) : 'unknown'
    return additionalProperties === false ? 'Readonly<Record<string, never>>' : `Readonly<Record<string, ${values}>>`
  }
  const inner = `${indent}  `
  const lines = properties.map(([name, value]) => {
    const isRequired = required.includes(name)
    return `${comment(value.description, inner)}${inner}readonly ${propertyName(name)}${optional(isRequired)}: ${typeOf(value, inner)}${orUndefined(isRequired)}\n`
  })
  return `{\n${lines.join('')}${indent}}`
}

/** A caller may pass on what it does not have: JSON and the query leave it out. */
const orUndefined = (required: boolean | undefined): string => (required === true ? '' : ' | undefined')
const optional = (required: boolean | undefined): string => (required === true ? '' : '?')

const propertyName = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`)

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replace(/[\\']/g, '\\$&')}'` : JSON.stringify(value)

const union = (types: readonly string[]): string => {
  const distinct = [...new Set(types)]
  return distinct.includes('unknown') ? 'unknown' : distinct.join(' | ')
}

const inParentheses = (type: string): string => (/ \| /.test(type) && !type.startsWith('{') ? `(${type})` : type)

const comment = (text: unknown, indent: string): string =>
  typeof text === 'string' && text !== ''
    ? `${indent}/** ${text.replace(/\s+/g, ' ').replaceAll('*/', '*\\/')} */\n`
    : ''

/** `if-match` → `ifMatch`. */
const camelCase = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
