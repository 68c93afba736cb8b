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

  it.each([
    ['de', ['/label: darf nicht weniger als 3 Zeichen haben oder muss array sein', '/limit: muss >= 1 sein']],
    ['fr', ['/label: ne doit pas avoir moins de 3 caractères ou doit être array', '/limit: doit être >= 1']],
    ['es', ['/label: no debe tener menos de 3 caracteres o debe ser array', '/limit: debe ser >= 1']],
  ] as const)('is said in %s', (language, texts) => {
    expect(validationTexts(Compile(schema).Errors({ label: 'a', limit: 0 }), language)).toEqual(texts)
  })

  it.each([
    ['de', '/stranger: ist hier nicht bekannt', '/outcome: muss succeeded oder failed sein'],
    ['fr', '/stranger: n’est pas connu ici', '/outcome: doit être succeeded ou failed'],
    ['es', '/stranger: no se conoce aquí', '/outcome: debe ser succeeded o failed'],
  ] as const)('names strangers and allowed values in %s', (language, stranger, outcome) => {
    expect(validationTexts(Compile(schema).Errors({ stranger: 1 }), language)).toEqual([stranger])
    expect(validationTexts(Compile(schema).Errors({ outcome: 'lost' }), language)).toEqual([outcome])
  })
})
