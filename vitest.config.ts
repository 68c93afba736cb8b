import { defineConfig } from 'vitest/config'

const integration = '**/*.integration.test.ts'
const never = ['**/node_modules/**', '**/.dev/**']

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/test/**/*.test.ts'],
          exclude: [...never, integration, 'tests/**'],
          pool: 'threads',
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
          testTimeout: 30_000,
          hookTimeout: 60_000,
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
    ],
  },
})
