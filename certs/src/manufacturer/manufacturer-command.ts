/** `certs manufacturer …`: the commands, their options and what they print. */

import { Command, InvalidArgumentError } from 'commander'
import type { CommandSurroundings } from '../command-surroundings.ts'
import { createManufacturer, openManufacturer } from './manufacturer-authority.ts'
import { type DeviceFlaws, deviceIdFromText, issueToDevice } from './manufacturer-device.ts'

export function manufacturerCommand(surroundings: CommandSurroundings): Command {
  return new Command('manufacturer')
    .description("A manufacturer's PKI: root, intermediate and device certificates, with their keys in files.")
    .addCommand(createCommand(surroundings))
    .addCommand(deviceCommand(surroundings))
}

function createCommand({ now, print }: CommandSurroundings): Command {
  return new Command('create')
    .description('Makes root and intermediate. Prints the paths as JSON; does nothing where they are there already.')
    .requiredOption('--out <folder>', 'where root, intermediate, their keys and chain.pem go')
    .requiredOption('--name <name>', 'the name of the manufacturer, for the subjects')
    .addHelpText('after', '\nExample:\n  certs manufacturer create --out .dev/manufacturer --name Acme')
    .action(async (options: { out: string; name: string }) => {
      const { files, created } = await createManufacturer({ folder: options.out, name: options.name, now: now() })
      print(JSON.stringify({ ...files, created }))
    })
}

interface DeviceOptions {
  readonly ca: string
  readonly out: string
  readonly id?: string
  readonly count: number
  readonly days: number
  readonly expired?: true
  readonly notYetValid?: true
  readonly eku?: 'server'
  readonly selfSigned?: true
}

function deviceCommand({ now, print }: CommandSurroundings): Command {
  return new Command('device')
    .description('Issues to devices. Prints one JSON line per device: {id, certificate, key}.')
    .requiredOption('--ca <folder>', "the manufacturer's folder, as `create` made it")
    .requiredOption('--out <folder>', 'where <id>.pem (leaf and intermediate) and <id>.key go')
    .option('--id <uuid>', 'the device id; a random one by default')
    .option('--count <number>', 'how many devices', wholeNumber, 1)
    .option('--days <number>', 'how long the certificates are valid', wholeNumber, 3650)
    .option('--expired', 'for tests: expired yesterday')
    .option('--not-yet-valid', 'for tests: valid in a month')
    .option('--eku <usage>', 'for tests: `server` makes the extended key usage wrong', serverUsage)
    .option('--self-signed', 'for tests: signed by its own key')
    .addHelpText(
      'after',
      '\nExamples:\n  certs manufacturer device --ca .dev/manufacturer --out .dev/devices\n' +
        '  certs manufacturer device --ca .dev/manufacturer --out .dev/fleet --count 500\n' +
        '  certs manufacturer device --ca .dev/manufacturer --out .dev/devices --expired',
    )
    .action(async (options: DeviceOptions, command: Command) => {
      if (options.id !== undefined && options.count > 1)
        command.error('error: --id names one device; leave --count out')
      if (options.expired && options.notYetValid) command.error('error: choose one of --expired and --not-yet-valid')
      const id = options.id === undefined ? undefined : deviceIdFromText(options.id)
      const authority = openManufacturer(options.ca)
      for (let issued = 0; issued < options.count; issued++) {
        const device = await issueToDevice(authority, {
          folder: options.out,
          ...(id === undefined ? {} : { id }),
          days: options.days,
          now: now(),
          flaws: flawsOf(options),
        })
        print(JSON.stringify(device))
      }
    })
}

function flawsOf(options: DeviceOptions): DeviceFlaws {
  return {
    ...(options.expired ? { dates: 'expired' as const } : {}),
    ...(options.notYetValid ? { dates: 'not-yet-valid' as const } : {}),
    ...(options.eku === undefined ? {} : { usage: options.eku }),
    ...(options.selfSigned ? { issuer: 'itself' as const } : {}),
  }
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d{1,7}$/.test(text) || value < 1) throw new InvalidArgumentError('A whole number from 1 is needed.')
  return value
}

function serverUsage(text: string): 'server' {
  if (text !== 'server') throw new InvalidArgumentError('Only `server` is known.')
  return 'server'
}
