/** `certs installation`: its options and what it prints. */

import { Command } from 'commander'
import type { CommandSurroundings } from '../command-surroundings.ts'
import { performInstallation } from './installation-ceremony.ts'

interface InstallationOptions {
  readonly home: string
  readonly module: string
  readonly caToken: string
  readonly caPinFile: string
  readonly hubId?: string
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  readonly development?: boolean
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export function installationCommand({ now, print }: CommandSurroundings): Command {
  return new Command('installation')
    .description(
      "The CAs of an installation, with keys that are made in an HSM token and never leave it, and the services' certificates.\n" +
        'Prints {hubId, folder, created} as JSON. Keeps what is there; run it again to renew certificates in their last month.',
    )
    .requiredOption('--home <folder>', 'the pki folder is made below it')
    .requiredOption('--module <path>', 'the PKCS#11 module')
    .requiredOption('--ca-token <label>', 'the token of the certificate authorities; initialized already')
    .requiredOption('--ca-pin-file <path>', 'its user PIN, in a file that only its owner can read')
    .option('--hub-id <uuid>', 'the id of this installation towards devices; a random one by default')
    .option('--dns <name>', 'a DNS name of the services; may be repeated', collect)
    .option('--ip <address>', 'an IP address of the services; may be repeated', collect)
    .option('--development', 'marks the authorities: services in production refuse them')
    .addHelpText(
      'after',
      '\nExample (SOFTHSM2_CONF in the environment, the token made by softhsm2-util --init-token):\n' +
        '  certs installation --home .dev --module /usr/lib/softhsm/libsofthsm2.so \\\n' +
        '    --ca-token ca --ca-pin-file .dev/secrets/ca.pin --dns localhost --ip 127.0.0.1',
    )
    .action(async (options: InstallationOptions, command: Command) => {
      const { dns = [], ip = [] } = options
      if (dns.length + ip.length === 0) command.error('error: at least one of --dns and --ip is needed')
      const result = await performInstallation({
        home: options.home,
        token: { modulePath: options.module, label: options.caToken, pinFile: options.caPinFile },
        ...(options.hubId === undefined ? {} : { hubId: options.hubId }),
        dns,
        ip,
        development: options.development === true,
        now: now(),
      })
      print(JSON.stringify(result))
    })
}
