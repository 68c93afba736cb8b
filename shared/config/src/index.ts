export { type ConfigurationEntry, describeConfiguration } from './configuration-reference.ts'
export { type Configuration, type Declaration, readConfiguration, unknownVariables } from './read-configuration.ts'
export { serviceSettings } from './service-settings.ts'
export { type Setting, type SettingKind, setting } from './setting.ts'
