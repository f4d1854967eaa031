import { readdirSync, readFileSync } from 'node:fs'

/** The length of a clock tick in Linux's /proc, in microseconds. Without /proc, readings are null. */
const TICK_US = 10_000

type Stat = { comm: string; parent: number; own: number; reaped: number }

function readStat(pid: number | string): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = text.lastIndexOf(')')
    // The name may contain spaces, so split what follows it: field 3 and later (man 5 proc).
    const fields = text.slice(end + 2).split(' ')
    const at = (field: number) => Number(fields[field - 3])
    return {
      comm: text.slice(text.indexOf('(') + 1, end),
      parent: at(4),
      own: (at(14) + at(15)) * TICK_US,
      reaped: (at(16) + at(17)) * TICK_US,
    }
  } catch {
    return null
  }
}

/** Returns the process id of a backend's postmaster, or null if the server isn't on this machine. */
export function postmasterOf(backend: number): number | null {
  const stat = readStat(backend)
  return stat?.comm.startsWith('postgres') ? stat.parent : null
}

/** Returns the CPU time, in microseconds, of a server and all its processes, including those that have exited. */
export function serverCpuUs(postmaster: number | null): number | null {
  const top = postmaster === null ? null : readStat(postmaster)
  return top === null || postmaster === null ? null : top.own + top.reaped + ownOfChildren(postmaster)
}

/** Returns the CPU time of the processes that this process has started, in microseconds. */
export const childrenCpuUs = (): number => (readStat('self')?.reaped ?? 0) + ownOfChildren(process.pid)

const ownOfChildren = (parent: number): number =>
  processes()
    .filter((name) => /^\d+$/.test(name))
    .map(readStat)
    .reduce((sum, stat) => sum + (stat?.parent === parent ? stat.own : 0), 0)

function processes(): string[] {
  try {
    return readdirSync('/proc')
  } catch {
    return []
  }
}

/** Returns the CPU time of the whole machine in microseconds: the time used, and the total time. */
export function machineCpuUs(): { used: number; all: number } | null {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
      .split(/\s+/)
      .slice(1)
      .map(Number)
    const used = user + nice + system + irq + softirq + steal
    return { used: used * TICK_US, all: (used + idle + iowait) * TICK_US }
  } catch {
    return null
  }
}
