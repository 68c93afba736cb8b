/** The routes of telemetry, in the order of the API document. */

import { registerReadTelemetry } from './read-telemetry.ts'

export const telemetryRoutes = [registerReadTelemetry]
