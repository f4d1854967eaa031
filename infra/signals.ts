export type StopSignals = {
  /** Resolves at the first SIGINT or SIGTERM, or when stdout is closed: this process should stop. */
  first: Promise<void>
  /** Aborts at the second signal, which asks this process not to wait for running executions. */
  second: AbortSignal
}

/**
 * A second signal within this many milliseconds counts as a repeat of the first, since Ctrl-C in a terminal reaches
 * this process twice: directly and through npm.
 */
const ECHO_MS = 1000

/** Listens for SIGINT, SIGTERM and the end of stdout. After that, none of them ends this process by itself. */
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
    // The reader of the output is gone, as with `npm start | head`. Without this listener, the process would crash.
    process.stdout.on('error', () => resolve())
  })
  return { first, second: second.signal }
}
