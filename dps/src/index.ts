export { type DpsConfiguration, dpsSettings } from './config.ts'
export { type Dps, type DpsAddresses, startDps } from './dps.ts'
