const SHOWN = 20

/** An error from our logger or from serverless-offline, or part of a stack trace that was printed without a logger. */
const ERROR = /"level":"(ERROR|CRITICAL)"|unexpected error|^\s*×|^\s+at .+:\d+:\d+/

/** Checks log lines as they arrive. */
export class LogCheck {
  /** The first lines that are errors, or that contain a secret. */
  readonly wrong: string[] = []
  /** Number of warnings by message. */
  readonly warnings = new Map<string, number>()
  readonly #secrets: readonly string[]

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets
  }

  add(line: string): void {
    const isSecret = this.#secrets.some((secret) => line.includes(secret))
    if (isSecret || ERROR.test(line)) this.#keep(line)
    if (line.includes('"level":"WARN"')) this.#count(line)
  }

  #keep(line: string): void {
    const hidden = this.#secrets.reduce((text, secret) => text.replaceAll(secret, '<secret>'), line)
    if (this.wrong.length < SHOWN) this.wrong.push(hidden.slice(0, 2000))
  }

  #count(line: string): void {
    const message = /"message":"([^"]*)"/.exec(line)?.[1] ?? line
    this.warnings.set(message, (this.warnings.get(message) ?? 0) + 1)
  }
}
