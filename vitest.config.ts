import { defineConfig } from 'vitest/config'

const integration = '**/*.integration.test.ts'
const never = ['**/node_modules/**', '**/.dev/**']
/** Of all projects that run at once. Tests wait more than they work: on two cores Vitest would run one file at a time. */
const maxWorkers = 3

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/test/**/*.test.ts'],
          exclude: [...never, integration, 'tests/**'],
          pool: 'threads',
          maxWorkers,
          // A bound against hanging, not a figure: CI's machine may be busy.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: [`**/test/${integration}`],
          exclude: [...never, 'tests/**'],
          globalSetup: './deploy/development/src/test-services.ts',
          // SoftHSM reads the environment of the process: worker threads would not do.
          pool: 'forks',
          maxWorkers,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'end-to-end',
          include: ['tests/end-to-end/**/*.test.ts'],
          exclude: never,
          globalSetup: './deploy/development/src/test-services.ts',
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'interop',
          include: ['tests/interop/**/*.test.ts'],
          exclude: never,
          globalSetup: './deploy/development/src/test-services.ts',
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/faults/**/*.test.ts'],
          exclude: never,
          globalSetup: './deploy/development/src/test-services.ts',
          pool: 'forks',
          // The long form measures, so nothing may run beside it.
          fileParallelism: process.env.SALLYPORT_SOAK !== '1',
          ...(process.env.SALLYPORT_SOAK === '1' ? {} : { maxWorkers }),
          // Handshakes that wait for their timers wait side by side.
          maxConcurrency: 16,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
