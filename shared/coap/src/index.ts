export { type CoapMethod, methodCodes, type ResponseCode, responseCodes } from './code-registry.ts'
export { type ContentFormatName, contentFormats } from './content-formats.ts'
