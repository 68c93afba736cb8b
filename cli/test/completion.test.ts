import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { run } from './scripted-terminal.ts'

/** What a real bash offers for a line, whose last word is being typed. */
async function offered(...words: string[]): Promise<readonly string[]> {
  const { out } = await run(['completion', 'bash'], { home: '/nonexistent' })
  const quoted = ['sallyport', ...words].map((word) => `'${word}'`).join(' ')
  const script = `${out}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`
  // A bash whose input is a socket, as a pipe of Node's is, thinks that it was begun from afar, and reads the machine's bashrc.
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-uc', script], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  return stdout.split('\n').filter((line) => line !== '')
}

describe('the completion of bash', () => {
  it('is taken by a real one', async () => {
    const { out } = await run(['completion', 'bash'], { home: '/nonexistent' })
    const script = `source /dev/stdin <<'END'\n${out}END\ncomplete -p sallyport`
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
    expect([stdout, stderr]).toEqual(['complete -F _sallyport sallyport\n', ''])
  })

  it('offers commands, the commands below them, and options', async () => {
    expect(await offered('dev')).toEqual(['devices'])
    expect(await offered('devices', 're')).toEqual(['rename', 'resources'])
    expect(await offered('org', 'members', 'set')).toEqual(['set-roles'])
    expect(await offered('devices', 'list', '--on')).toEqual(['--online'])
    expect(await offered('completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']))
  })

  it('is not misled by options and their values', async () => {
    expect(await offered('--profile', 'org', 'devices', '--json', 'sh')).toEqual(['show'])
    expect(await offered('devices', 'set', 'groups', '--wa')).toEqual(['--wait'])
    expect(await offered('login', '--password-file', 'dev')).toEqual([])
  })

  it('offers nothing that is not for people', async () => {
    expect(await offered('ref')).toEqual([])
  })
})
