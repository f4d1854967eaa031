import { Buckets } from './buckets.ts'

/** Upper bounds of buckets, in seconds. */
const LATENESS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600]
const DURATION = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]
const TICK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The labels of runs: the task type and, for the tasks that were chosen by name, the task. */
type RunLabels = { type: string; task?: string }

/** What is counted about runs with the same labels. */
export class RunCounters {
  readonly labels: RunLabels
  readonly lateness = new Buckets(LATENESS)
  readonly duration = new Buckets(DURATION)
  /** Number of ended runs by outcome. */
  readonly outcomes = new Map<string, number>()

  constructor(labels: RunLabels) {
    this.labels = labels
  }
}

/** The part of a task that decides how its runs are counted. */
type Task = { name: string; type: string }

/**
 * Counts what this process does, from its start. It only holds numbers, for others to publish. `tasks`
 * returns the names of the tasks that are counted on their own, and is called once, on first use.
 */
export class Counters {
  readonly #readTasks: () => string[]
  #tasks: ReadonlySet<string> | undefined
  readonly #runs = new Map<string, RunCounters>()
  readonly ticks = new Buckets(TICK)
  failedTicks = 0
  /** When the last tick succeeded (`Date.now()`); null before that. */
  lastTickAt: number | null = null
  claims = 0
  claimedExecutions = 0
  /** Number of occurrences that claims have skipped, by reason. */
  readonly skipped = new Map<string, number>()
  /** As in `Recovered`, and the executions whose claim was missing. */
  lost = 0
  freed = 0
  pausedTasks = 0
  repaired = 0

  constructor(tasks: () => string[] = () => []) {
    this.#readTasks = tasks
  }

  /** Records that a run began, `lateMs` milliseconds after it was due. */
  began(task: Task, lateMs: number): void {
    this.#of(task).lateness.add(lateMs / 1000)
  }

  /** Records that a run's outcome has been written. */
  ended(task: Task, outcome: string, durationMs: number): void {
    const run = this.#of(task)
    run.duration.add(durationMs / 1000)
    run.outcomes.set(outcome, (run.outcomes.get(outcome) ?? 0) + 1)
  }

  skip(reason: string, count: number): void {
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + count)
  }

  /** Records a tick that has just ended. */
  ticked(tookMs: number, hasSucceeded: boolean): void {
    this.ticks.add(tookMs / 1000)
    if (hasSucceeded) this.lastTickAt = Date.now()
    else this.failedTicks += 1
  }

  runs(): RunCounters[] {
    return [...this.#runs.values()]
  }

  #of({ name, type }: Task): RunCounters {
    this.#tasks ??= new Set(this.#readTasks())
    const isNamed = this.#tasks.size > 0 && this.#tasks.has(name)
    const key = isNamed ? `${type} ${name}` : type
    const known = this.#runs.get(key)
    if (known) return known
    const made = new RunCounters(isNamed ? { type, task: name } : { type })
    this.#runs.set(key, made)
    return made
  }
}
