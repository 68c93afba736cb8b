/**
 * The declaration of one setting: its environment variable, what it means, what is allowed, and what holds when it is absent.
 *
 * A declaration is data: it reads no environment itself. A setting without a default must be given, unless it is `optional`.
 * Defaults are the safe choice, so that an absent variable never opens anything. An empty variable counts as absent.
 */

import { SecretBytes } from '@sallyport/bytes'
import { type Duration, days, hours, milliseconds, minutes, seconds } from '@sallyport/clock'

export type SettingKind =
  | 'string'
  | 'integer'
  | 'port'
  | 'boolean'
  | 'duration'
  | 'url'
  | 'path'
  | 'uuid'
  | 'choice'
  | 'secret'

/** What parsing one text gives: a value, or what would have been allowed instead. */
export type SettingReading<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false }

/** One declared setting, with the type of its value. */
export interface Setting<Value> {
  readonly name: string
  readonly meaning: string
  readonly kind: SettingKind
  /** In words: what a value must be. Stands in errors and in the reference. */
  readonly allowed: string
  readonly unit: string | undefined
  /** The default as it would be written in the environment. */
  readonly defaultText: string | undefined
  readonly required: boolean
  /** Its value is never shown: not in errors, not in the reference. */
  readonly secret: boolean
  read(text: string): SettingReading<Value>
  /** The value of an absent variable; meaningless where `required`. */
  readonly absent: Value | undefined
}

interface CommonOptions {
  /** `SALLYPORT_…` */
  readonly name: string
  /** One sentence: what it decides, and what it interacts with. */
  readonly meaning: string
  /** Only for people; the value carries its unit in its type. */
  readonly unit?: string
  /** Never show the value (a URL with a password in it). */
  readonly secret?: boolean
}

interface Presence<Text> {
  /** What holds when the variable is absent, written as in the environment (or as the number it is). */
  readonly default?: Text
  /** May be absent without a default: the value is then undefined. */
  readonly optional?: boolean
}

type StringOptions = CommonOptions & Presence<string> & { readonly kind: 'string' | 'path' | 'uuid' }
type IntegerOptions = CommonOptions &
  Presence<number> & { readonly kind: 'integer'; readonly minimum?: number; readonly maximum?: number }
type PortOptions = CommonOptions & Presence<number> & { readonly kind: 'port' }
type BooleanOptions = CommonOptions & Presence<boolean> & { readonly kind: 'boolean' }
type DurationOptions = CommonOptions & Presence<string> & { readonly kind: 'duration' }
type UrlOptions = CommonOptions & Presence<string> & { readonly kind: 'url'; readonly schemes: readonly string[] }
type SecretOptions = CommonOptions & Presence<never> & { readonly kind: 'secret' }
type ChoiceOptions<Choice extends string> = CommonOptions &
  Presence<Choice> & { readonly kind: 'choice'; readonly choices: readonly Choice[] }

type SettingOptions =
  | StringOptions
  | IntegerOptions
  | PortOptions
  | BooleanOptions
  | DurationOptions
  | UrlOptions
  | SecretOptions
  | ChoiceOptions<string>

type Maybe<Options, Value> = Options extends { readonly optional: true } ? Value | undefined : Value

/** Declares a setting; the kind decides the type of its value (`duration` → Duration, `secret` → SecretBytes, …). */
export function setting<const Options extends StringOptions>(options: Options): Setting<Maybe<Options, string>>
export function setting<const Options extends IntegerOptions>(options: Options): Setting<Maybe<Options, number>>
export function setting<const Options extends PortOptions>(options: Options): Setting<Maybe<Options, number>>
export function setting<const Options extends BooleanOptions>(options: Options): Setting<Maybe<Options, boolean>>
export function setting<const Options extends DurationOptions>(options: Options): Setting<Maybe<Options, Duration>>
export function setting<const Options extends UrlOptions>(options: Options): Setting<Maybe<Options, string>>
export function setting<const Options extends SecretOptions>(options: Options): Setting<Maybe<Options, SecretBytes>>
export function setting<const Choice extends string, const Options extends ChoiceOptions<Choice>>(
  options: Options & { readonly choices: readonly Choice[] },
): Setting<Maybe<Options, Options['choices'][number]>>
export function setting(options: SettingOptions): Setting<unknown> {
  const { allowed, read } = rulesOf(options)
  const defaultText = options.default === undefined ? undefined : String(options.default)
  const absent = defaultText === undefined ? undefined : read(defaultText)
  if (absent?.ok === false) throw new RangeError(`the default of ${options.name} is not ${allowed}`)
  return {
    name: options.name,
    meaning: options.meaning,
    kind: options.kind,
    allowed,
    unit: options.unit,
    defaultText,
    required: defaultText === undefined && options.optional !== true,
    secret: options.secret === true || options.kind === 'secret',
    read,
    absent: absent?.value,
  }
}

interface Rules {
  readonly allowed: string
  read(text: string): SettingReading<unknown>
}

const refused = { ok: false } as const

function rulesOf(options: SettingOptions): Rules {
  switch (options.kind) {
    case 'string':
      return { allowed: 'a text', read: (text) => ({ ok: true, value: text }) }
    case 'path':
      return {
        allowed: 'a file path',
        read: (text) => (text.includes('\0') ? refused : { ok: true, value: text }),
      }
    case 'uuid':
      return { allowed: 'a UUID', read: readUuid }
    case 'integer':
      return integerRules(options.minimum ?? 0, options.maximum ?? Number.MAX_SAFE_INTEGER)
    case 'port':
      return { ...integerRules(0, 65_535), allowed: 'a port from 0 to 65535 (0: any free one)' }
    case 'boolean':
      return { allowed: 'true or false', read: readBoolean }
    case 'duration':
      return { allowed: 'a duration such as 500ms, 30s, 15m, 24h or 90d', read: readDuration }
    case 'url':
      return urlRules(options.schemes)
    case 'choice':
      return {
        allowed: `one of ${options.choices.join(', ')}`,
        read: (text) => (options.choices.includes(text) ? { ok: true, value: text } : refused),
      }
    case 'secret':
      return { allowed: 'a secret', read: (text) => ({ ok: true, value: SecretBytes.fromText(text) }) }
  }
}

function readUuid(text: string): SettingReading<string> {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return refused
  return { ok: true, value: text.toLowerCase() }
}

function readBoolean(text: string): SettingReading<boolean> {
  if (text !== 'true' && text !== 'false') return refused
  return { ok: true, value: text === 'true' }
}

function integerRules(minimum: number, maximum: number): Rules {
  const upper = maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`
  return {
    allowed: `a whole number from ${minimum}${upper}`,
    read(text) {
      if (!/^-?\d{1,16}$/.test(text)) return refused
      const value = Number(text)
      return value >= minimum && value <= maximum ? { ok: true, value } : refused
    },
  }
}

const durationUnits: Readonly<Record<string, (count: number) => Duration>> = {
  ms: milliseconds,
  s: seconds,
  m: minutes,
  h: hours,
  d: days,
}

function readDuration(text: string): SettingReading<Duration> {
  const [, count, unit] = /^(\d{1,9}) ?(ms|s|m|h|d)$/.exec(text) ?? []
  const make = unit === undefined ? undefined : durationUnits[unit]
  return count === undefined || make === undefined ? refused : { ok: true, value: make(Number(count)) }
}

function urlRules(schemes: readonly string[]): Rules {
  return {
    allowed: `a URL with the scheme ${schemes.join(' or ')}`,
    read(text) {
      const url = URL.parse(text)
      return url !== null && schemes.includes(url.protocol.slice(0, -1)) ? { ok: true, value: text } : refused
    },
  }
}
