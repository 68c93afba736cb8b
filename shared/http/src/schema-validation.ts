/**
 * Requests against their TypeBox schemas. Bodies are taken as they are; the texts of query and headers are converted.
 * What a schema does not name is refused rather than dropped, where the schema says `additionalProperties: false`.
 *
 * UUIDs in path and query become lower case (RFC 9562 section 4): services compare ids as texts, and a device must not be
 * deleted under a spelling that neither the gateway that holds it nor the audit trail knows.
 */

import { CodedError } from '@sallyport/errors'
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'
import { RefusedValues } from './refused-values.ts'
import type { RequestPart } from './validation-texts.ts'

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  const ids = namesOf(schema, ({ format }) => format === 'uuid')
  const integers = namesOf(schema, ({ type }) => type === 'integer')
  return (value: unknown) => {
    // The parts of a path are texts in every schema; besides, a wildcard's name, `*`, is no pattern that Convert can read.
    const converts = httpPart !== 'body' && httpPart !== 'params'
    const candidate = converts ? converted(schema, value, integers) : value
    if (validator.Check(candidate)) return { value: httpPart === 'body' ? candidate : withSmallIds(candidate, ids) }
    // A path that cannot name anything names nothing: no reason to tell an id's form from an id's absence.
    if (httpPart === 'params') return { error: new CodedError('not-found', 'There is nothing at this address.') }
    return { error: new RefusedValues(partOf(httpPart), validator.Errors(candidate)) }
  }
}

function partOf(httpPart: string | undefined): RequestPart {
  if (httpPart === 'querystring') return 'query'
  return httpPart === 'body' || httpPart === 'headers' ? httpPart : 'request'
}

interface Property {
  readonly type?: unknown
  readonly format?: unknown
}

function namesOf(schema: TSchema, wanted: (property: Property) => boolean): readonly string[] {
  if (!('properties' in schema) || typeof schema.properties !== 'object' || schema.properties === null) return []
  return Object.entries(schema.properties)
    .filter(([, property]) => isRecord(property) && wanted(property))
    .map(([name]) => name)
}

/** Convert takes `1.5` for the integer 1: what was not meant as an integer stays a text, and is refused as one. */
function converted(schema: TSchema, value: unknown, integers: readonly string[]): unknown {
  if (!isRecord(value)) return Value.Convert(schema, value)
  const refused = integers.filter((name) => typeof value[name] === 'string' && !/^-?\d+$/.test(value[name]))
  const kept = Object.fromEntries(refused.map((name) => [name, value[name]]))
  // A copy: Convert writes into what it is given.
  return Object.assign({}, Value.Convert(schema, { ...value }), kept)
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

function withSmallIds(value: unknown, names: readonly string[]): unknown {
  if (names.length === 0 || typeof value !== 'object' || value === null) return value
  const small = Object.entries(value).map(([name, id]) => [
    name,
    names.includes(name) && typeof id === 'string' ? id.toLowerCase() : id,
  ])
  return Object.fromEntries(small)
}
