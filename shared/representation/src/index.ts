export { asArray, asRecord, optionalBooleanAt, optionalIntegerAt, optionalTextAt, textAt } from './fields.ts'
export { decode, encode, maxDepth, maxRepresentationBytes, representationFormats } from './representation.ts'
export { decodeSenml, encodeSenml, type SenmlRecord, senmlCbor, senmlJson } from './senml.ts'
export { isRecord, type JsonValue, toJsonValue, type Value, type ValueRecord } from './value.ts'
