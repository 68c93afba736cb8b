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
import { validationTexts } from './validation-texts.ts'

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  const ids = namesOfIds(schema)
  return (value: unknown) => {
    // The parts of a path are texts in every schema; besides, a wildcard's name, `*`, is no pattern that Convert can read.
    const converts = httpPart !== 'body' && httpPart !== 'params'
    const candidate = converts ? Value.Convert(schema, value) : value
    if (validator.Check(candidate)) return { value: httpPart === 'body' ? candidate : withSmallIds(candidate, ids) }
    // A path that cannot name anything names nothing: no reason to tell an id's form from an id's absence.
    if (httpPart === 'params') return { error: new CodedError('not-found', 'There is nothing at this address.') }
    const fields = validationTexts(validator.Errors(candidate))
    const part = httpPart === 'querystring' ? 'query' : (httpPart ?? 'request')
    return {
      error: new CodedError('validation-failed', `The ${part} is not as it should be: ${fields.join('; ')}`, {
        details: { in: part, fields },
      }),
    }
  }
}

function namesOfIds(schema: TSchema): readonly string[] {
  if (!('properties' in schema) || typeof schema.properties !== 'object' || schema.properties === null) return []
  return Object.entries(schema.properties)
    .filter(([, property]) => property?.format === 'uuid')
    .map(([name]) => name)
}

function withSmallIds(value: unknown, names: readonly string[]): unknown {
  if (names.length === 0 || typeof value !== 'object' || value === null) return value
  const small = Object.entries(value).map(([name, id]) => [
    name,
    names.includes(name) && typeof id === 'string' ? id.toLowerCase() : id,
  ])
  return Object.fromEntries(small)
}
