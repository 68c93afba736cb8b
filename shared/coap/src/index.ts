export type { ResumedAssociation } from './association-transfer.ts'
export { type Block, type BlockSize, blockSizeWithin, blockValue, readBlock } from './block-option.ts'
export type { CoapAssociation } from './coap-association.ts'
export type { CoapStateRefusal } from './coap-association-state.ts'
export { type AssociateOptions, CoapEndpoint, type CoapEndpointOptions, type EndpointCounts } from './coap-endpoint.ts'
export {
  type CoapMethod,
  isSuccess,
  methodCodes,
  type ResponseCode,
  responseCodeByte,
  responseCodes,
} from './code-registry.ts'
export { type Conditions, meetsConditions } from './conditions.ts'
export { type ContentFormatName, contentFormats } from './content-formats.ts'
export { defaultEndpointLimits, type EndpointLimits } from './endpoint-limits.ts'
export type {
  BodyPart,
  IncomingRequest,
  Observation,
  ObservationEnd,
  OutgoingRequest,
  OutgoingResponse,
  Output,
  Ping,
  ReceivedResponse,
  RequestMessage,
  ResourceLookup,
  ResourceTraits,
} from './exchange.ts'
export { encodeLinks, type LinkFilter, type WebLink } from './link-format.ts'
export {
  type CoapContent,
  type CoapMessage,
  type CoapOption,
  encodeEmpty,
  encodeMessage,
  type MalformedMessage,
  type MessageType,
  messageTypes,
  type ParsedMessage,
  parseMessage,
  readUint,
  uintValue,
} from './message-codec.ts'
export { MessageStream, type StreamBudget } from './message-stream.ts'
export { isFresher, type NotificationPosition } from './observe-freshness.ts'
export { isCritical, isUnsafe, type OptionName, optionNumbers } from './option-registry.ts'
export { problemDetails } from './problem-details.ts'
export type { RequestQuota } from './request-quota.ts'
export { ResourceRouter, type RouteMatch } from './resource-router.ts'
export { signalCodes } from './signal-registry.ts'
export { encodeFrame } from './stream-message-codec.ts'
export { encodeRefusal } from './stream-refusal.ts'
