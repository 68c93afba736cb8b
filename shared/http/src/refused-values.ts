/** `validation-failed` for values that a schema does not allow, which can be said in any of the languages. */

import { CodedError, type Language } from '@sallyport/errors'
import { type RequestPart, type SchemaError, validationDetail, validationTexts } from './validation-texts.ts'

export class RefusedValues extends CodedError {
  readonly #part: RequestPart
  readonly #errors: readonly SchemaError[]

  constructor(part: RequestPart, errors: readonly SchemaError[]) {
    const fields = validationTexts(errors)
    super('validation-failed', validationDetail(part, fields), { details: { in: part, fields } })
    this.#part = part
    this.#errors = errors
  }

  in(language: Language): { readonly detail: string; readonly fields: readonly string[] } {
    const fields = validationTexts(this.#errors, language)
    return { detail: validationDetail(this.#part, fields, language), fields }
  }
}
