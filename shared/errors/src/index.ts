export { type Blame, CodedError, type ErrorDetails, hasCode, isCodedError } from './coded-error.ts'
export { type ErrorCode, type ErrorDefinition, errorCatalogue } from './error-catalogue.ts'
export { type ErrorText, type ErrorTexts, errorText, type Language, languages } from './error-texts.ts'
