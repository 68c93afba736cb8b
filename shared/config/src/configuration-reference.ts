/** A declaration described for people and for the generated reference docs/configuration.md. */

import type { Declaration } from './read-configuration.ts'
import type { SettingKind } from './setting.ts'

export interface ConfigurationEntry {
  readonly name: string
  readonly meaning: string
  readonly kind: SettingKind
  readonly allowed: string
  readonly unit?: string
  /** As it is written in the environment; empty where the setting may be absent without one; left out where it is required. */
  readonly default?: string
  readonly secret: boolean
}

export function describeConfiguration(declaration: Declaration): readonly ConfigurationEntry[] {
  return Object.values(declaration).map((setting) => ({
    name: setting.name,
    meaning: setting.meaning,
    kind: setting.kind,
    allowed: setting.allowed,
    ...(setting.unit === undefined ? {} : { unit: setting.unit }),
    ...(setting.required ? {} : { default: setting.defaultText ?? '' }),
    secret: setting.secret,
  }))
}
