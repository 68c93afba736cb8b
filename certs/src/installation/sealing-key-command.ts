/** `certs sealing-key`: its options and what it prints. */

import { Command } from 'commander'
import type { CommandSurroundings } from '../command-surroundings.ts'
import { ensureSealingKey } from './sealing-key-ceremony.ts'

interface SealingKeyOptions {
  readonly home: string
  readonly module: string
  readonly kekToken: string
  readonly kekPinFile: string
}

export function sealingKeyCommand({ print }: CommandSurroundings): Command {
  return new Command('sealing-key')
    .description(
      "The key-encryption key in the control plane's token. Prints {label, generation, created} as JSON; keeps what is there.",
    )
    .requiredOption('--home <folder>', 'sealing-key.json is written into the pki folder below it')
    .requiredOption('--module <path>', 'the PKCS#11 module')
    .requiredOption('--kek-token <label>', 'the token of the key-encryption keys; initialized already')
    .requiredOption('--kek-pin-file <path>', 'its user PIN, in a file that only its owner can read')
    .addHelpText(
      'after',
      '\nExample (SOFTHSM2_CONF in the environment):\n' +
        '  certs sealing-key --home .dev --module /usr/lib/softhsm/libsofthsm2.so \\\n' +
        '    --kek-token kek --kek-pin-file .dev/secrets/kek.pin',
    )
    .action(async (options: SealingKeyOptions) => {
      const token = { modulePath: options.module, label: options.kekToken, pinFile: options.kekPinFile }
      print(JSON.stringify(await ensureSealingKey({ home: options.home, token })))
    })
}
