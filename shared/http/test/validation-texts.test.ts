import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { validationTexts } from '../src/validation-texts.ts'

const schema = Type.Object(
  {
    outcome: Type.Optional(Type.Union([Type.Literal('succeeded'), Type.Literal('failed')])),
    label: Type.Optional(Type.Union([Type.String({ minLength: 3 }), Type.Array(Type.String())])),
    limit: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { additionalProperties: false },
)
const textsFor = (value: unknown) => validationTexts(Compile(schema).Errors(value))

describe('what is wrong with a request', () => {
  it('names a stranger once', () => {
    expect(textsFor({ stranger: 1 })).toEqual(['/stranger: is not known here'])
  })

  it('lists the values that are allowed', () => {
    expect(textsFor({ outcome: 'lost' })).toEqual(['/outcome: must be succeeded or failed'])
  })

  it('joins the alternatives of a field, and tells of each field', () => {
    expect(textsFor({ label: 'a', limit: 0 })).toEqual([
      '/label: must not have fewer than 3 characters or must be array',
      '/limit: must be >= 1',
    ])
  })

  it('tells what the whole lacks', () => {
    const named = Type.Object({ name: Type.String(), chain: Type.String() })
    expect(validationTexts(Compile(named).Errors({}))).toEqual(['/: must have required properties name, chain'])
    expect(validationTexts(Compile(named).Errors([]))).toEqual(['/: must be object'])
  })
})
