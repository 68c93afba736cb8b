/**
 * The texts of the error catalogue in every language that people are answered in. Codes and types are the same in all.
 *
 * The catalogue itself is English; each other language has a table of its own, which the compiler proves complete.
 */

import { type ErrorCode, type ErrorDefinition, errorCatalogue } from './error-catalogue.ts'
import { frenchErrorTexts } from './french-error-texts.ts'
import { germanErrorTexts } from './german-error-texts.ts'
import { spanishErrorTexts } from './spanish-error-texts.ts'

/** Language tags (RFC 5646), the first for who asks for none of them. */
export const languages = ['en', 'de', 'fr', 'es'] as const
export type Language = (typeof languages)[number]

export type ErrorText = Pick<ErrorDefinition, 'title' | 'remedy'>
export type ErrorTexts = Readonly<Record<ErrorCode, ErrorText>>

const texts: Readonly<Record<Language, ErrorTexts>> = {
  en: errorCatalogue,
  de: germanErrorTexts,
  fr: frenchErrorTexts,
  es: spanishErrorTexts,
}

export const errorText = (code: ErrorCode, language: Language): ErrorText => texts[language][code]
