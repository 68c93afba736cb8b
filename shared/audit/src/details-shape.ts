/** Shapes of flat details: which fields there are, of which kind, which may be missing. Bounded, so that no event grows. */

import { isSealedText, type SealedText } from './sealed-text.ts'

interface Kind<Value> {
  readonly kind: 'text' | 'number' | 'texts' | 'sealed'
  readonly optional: boolean
  /** Only for the compiler: what the field holds. */
  readonly value?: Value
}

export type DetailsShape = Readonly<Record<string, Kind<unknown>>>

type OptionalNames<Shape extends DetailsShape> = {
  [Name in keyof Shape]: Shape[Name]['optional'] extends true ? Name : never
}[keyof Shape]

type ValueOf<Field> = Field extends Kind<infer Value> ? Value : never

export type DetailsOf<Shape extends DetailsShape> = {
  readonly [Name in Exclude<keyof Shape, OptionalNames<Shape>>]: ValueOf<Shape[Name]>
} & { readonly [Name in OptionalNames<Shape>]?: ValueOf<Shape[Name]> }

export const field = {
  text: { kind: 'text', optional: false } as Kind<string> & { readonly optional: false },
  number: { kind: 'number', optional: false } as Kind<number> & { readonly optional: false },
  texts: { kind: 'texts', optional: false } as Kind<readonly string[]> & { readonly optional: false },
  /** About a person: given as text, stored sealed under a key of that person (`SealedText`). */
  sealed: { kind: 'sealed', optional: false } as Kind<string | SealedText> & { readonly optional: false },
  optional: <Value>(of: Kind<Value>): Kind<Value> & { readonly optional: true } => ({ ...of, optional: true }),
}

const longestText = 1024
const mostTexts = 512

/** @returns what is wrong, undefined when nothing is. */
export function check(shape: DetailsShape, details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || Array.isArray(details)) return 'they are no object'
  const given = new Map<string, unknown>(Object.entries(details))
  for (const name of given.keys()) if (!Object.hasOwn(shape, name)) return `'${name}' does not belong there`
  for (const [name, { kind, optional }] of Object.entries(shape)) {
    const value = given.get(name)
    if (value === undefined) {
      if (!optional) return `'${name}' is missing`
    } else if (!fits(kind, value)) return `'${name}' is not ${kind} within bounds`
  }
  return undefined
}

function fits(kind: Kind<unknown>['kind'], value: unknown): boolean {
  switch (kind) {
    case 'text':
      return isText(value)
    case 'sealed':
      return isText(value) || (isSealedText(value) && value.sealed.length <= 2 * longestText + 100)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
    case 'texts':
      return Array.isArray(value) && value.length <= mostTexts && value.every(isText)
  }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.length <= longestText
