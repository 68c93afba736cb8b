/**
 * Requests against their TypeBox schemas. Bodies are taken as they are; the texts of query and headers are converted.
 * What a schema does not name is refused rather than dropped, where the schema says `additionalProperties: false`.
 */

import { CodedError } from '@sallyport/errors'
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'

const mostFieldsNamed = 16

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  return (value: unknown) => {
    // The parts of a path are texts in every schema; besides, a wildcard's name, `*`, is no pattern that Convert can read.
    const converts = httpPart !== 'body' && httpPart !== 'params'
    const candidate = converts ? Value.Convert(schema, value) : value
    if (validator.Check(candidate)) return { value: candidate }
    // A path that cannot name anything names nothing: no reason to tell an id's form from an id's absence.
    if (httpPart === 'params') return { error: new CodedError('not-found', 'There is nothing at this address.') }
    const fields = validator
      .Errors(candidate)
      .slice(0, mostFieldsNamed)
      .map((error) => `${error.instancePath === '' ? '/' : error.instancePath}: ${error.message}`)
    const part = httpPart === 'querystring' ? 'query' : (httpPart ?? 'request')
    return {
      error: new CodedError('validation-failed', `The ${part} is not as it should be: ${fields.join('; ')}`, {
        details: { in: part, fields },
      }),
    }
  }
}
