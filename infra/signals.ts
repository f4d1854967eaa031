export type StopSignals = {
  /** Resolves at the first SIGINT or SIGTERM, which asks this process to stop. */
  first: Promise<void>
  /** Aborts at the second signal, which asks this process not to wait for running executions. */
  second: AbortSignal
}

/**
 * A second signal within this many milliseconds counts as a repeat of the first, since Ctrl-C in a terminal reaches
 * this process twice: directly and through npm.
 */
const ECHO_MS = 1000

/** Listens for SIGINT and SIGTERM. These signals then no longer end this process by themselves. */
export function listenForSignals(): StopSignals {
  const second = new AbortController()
  const first = new Promise<void>((resolve) => {
    let at: number | undefined
    const on = (): void => {
      if (at !== undefined && performance.now() - at > ECHO_MS) second.abort()
      at ??= performance.now()
      resolve()
    }
    process.on('SIGINT', on).on('SIGTERM', on)
  })
  return { first, second: second.signal }
}
