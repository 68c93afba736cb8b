export type CloseReason =
  | 'close-notify'
  | 'fatal-alert'
  | 'local'
  | 'replaced'
  | 'idle'
  | 'shutdown'
  | 'sequence-exhausted'
  | 'forgery-limit'
