export { createLogger, type LogFields, type Logger, type LogLevel, withCorrelation } from './logger.ts'
export { createMetrics, type MetricOptions, type Metrics } from './metrics.ts'
export { redacted } from './redaction.ts'
