/** What a process has cost so far, as the operating system counts it. */

import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessCost {
  /** User and system time, the process's own and that of its children, in milliseconds (counted in ticks of 10 ms). */
  readonly cpuMilliseconds: number
  /** Resident memory of the process itself, in MB (2^20 bytes). */
  readonly residentMegabytes: number
  readonly residentKilobytes: number
}

const millisecondsPerTick = 10

export function costOf(pid: number): ProcessCost {
  const own = ticksOf(pid)
  const children = childrenOf(pid).reduce((sum, child) => sum + ticksOf(child).own, 0)
  const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return {
    cpuMilliseconds: (own.own + own.reaped + children) * millisecondsPerTick,
    residentMegabytes: Math.round(Number(resident) / 1024),
    residentKilobytes: Number(resident),
  }
}

/** proc(5): fields 14 and 15 are the process's own ticks, 16 and 17 those of children that it has waited for. */
function ticksOf(pid: number): { readonly own: number; readonly reaped: number } {
  const fields = statFieldsOf(pid)
  return { own: Number(fields[11]) + Number(fields[12]), reaped: Number(fields[13]) + Number(fields[14]) }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      try {
        return Number(statFieldsOf(candidate)[1]) === pid
      } catch {
        // It ended between the listing and the look.
        return false
      }
    })
}

/** The fields after the program's name, which stands in parentheses and may hold spaces: index 0 is field 3, the state. */
function statFieldsOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
