/**
 * What is wrong with a request, one text per field, in words that need no knowledge of schemas, in the language of the answer.
 * What a single rule of a schema says is TypeBox's own text in that language.
 */

import type { Language } from '@sallyport/errors'
import type { TValidationError } from 'typebox/error'
import { Locale } from 'typebox/system'

/** As TypeBox reports it: one schema that is not met may come as several of these. */
export type SchemaError = TValidationError

/** Where in a request the wrong value stands. */
export type RequestPart = 'body' | 'query' | 'headers' | 'request'

const mostFieldsNamed = 16

interface Phrases {
  readonly ofRule: (error: SchemaError) => string
  readonly unknown: string
  readonly mustBe: (allowed: string) => string
  readonly or: string
  readonly and: string
  readonly part: Readonly<Record<RequestPart, string>>
}

const phrases: Readonly<Record<Language, Phrases>> = {
  en: {
    ofRule: Locale.en_US,
    unknown: 'is not known here',
    mustBe: (allowed) => `must be ${allowed}`,
    or: ' or ',
    and: ' and ',
    part: {
      body: 'The body is not as it should be',
      query: 'The query is not as it should be',
      headers: 'The headers are not as they should be',
      request: 'The request is not as it should be',
    },
  },
  de: {
    ofRule: Locale.de_DE,
    unknown: 'ist hier nicht bekannt',
    mustBe: (allowed) => `muss ${allowed} sein`,
    or: ' oder ',
    and: ' und ',
    part: {
      body: 'Der Inhalt ist nicht, wie er sein soll',
      query: 'Die Abfrage ist nicht, wie sie sein soll',
      headers: 'Die Header sind nicht, wie sie sein sollen',
      request: 'Die Anfrage ist nicht, wie sie sein soll',
    },
  },
  fr: {
    ofRule: Locale.fr_FR,
    unknown: 'n’est pas connu ici',
    mustBe: (allowed) => `doit être ${allowed}`,
    or: ' ou ',
    and: ' et ',
    part: {
      body: 'Le corps n’est pas comme il doit être',
      query: 'Les paramètres ne sont pas comme ils doivent être',
      headers: 'Les en-têtes ne sont pas comme ils doivent être',
      request: 'La requête n’est pas comme elle doit être',
    },
  },
  es: {
    ofRule: Locale.es_ES,
    unknown: 'no se conoce aquí',
    mustBe: (allowed) => `debe ser ${allowed}`,
    or: ' o ',
    and: ' y ',
    part: {
      body: 'El cuerpo no es como debe ser',
      query: 'Los parámetros no son como deben ser',
      headers: 'Las cabeceras no son como deben ser',
      request: 'La petición no es como debe ser',
    },
  },
}

/** `/limit: must be >= 1`; `/` is the whole. */
export function validationTexts(errors: readonly SchemaError[], language: Language = 'en'): readonly string[] {
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
    .map(({ path, found }) => `${path === '' ? '/' : path}: ${textOf(found, phrases[language])}`)
}

/** All of it in a sentence. */
export const validationDetail = (part: RequestPart, fields: readonly string[], language: Language = 'en'): string =>
  `${phrases[language].part[part]}: ${fields.join('; ')}`

function textOf(errors: readonly SchemaError[], { ofRule, unknown, mustBe, or, and }: Phrases): string {
  if (errors.some(({ keyword }) => keyword === 'boolean')) return unknown
  const allowed = errors.flatMap(({ params }) => ('allowedValue' in params ? [String(params.allowedValue)] : []))
  if (allowed.length > 0) return mustBe(allowed.join(or))
  const alternatives = errors.some(({ keyword }) => keyword === 'anyOf')
  const texts = errors.filter(({ keyword }) => keyword !== 'anyOf').map(ofRule)
  return texts.join(alternatives ? or : and)
}
