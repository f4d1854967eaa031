import type { Counters } from '../counting/counters.ts'
import type { Overdue } from '../scheduling/health/overdue.ts'
import type { Executor } from '../scheduling/run/executor.ts'
import { by, type Family, histogram, plain } from './family.ts'

/** What a process knows about itself. */
export type Source = {
  counters: Counters
  watch: Overdue
  /** Undefined if the process has run nothing. */
  executor: Executor | undefined
  version: string
  runtime: string
}

/** Returns the metrics of this process. The sum over all processes is the whole scheduler. */
export const processFamilies = (source: Source): Family[] => [
  plain('gauge', 'build_info', 'Always 1. The labels say what runs.', [
    [{ version: source.version, runtime: source.runtime, node_version: process.version }, 1],
  ]),
  ...runFamilies(source.counters),
  ...claimFamilies(source.counters),
  ...tickFamilies(source),
  ...slotFamilies(source.executor),
]

function runFamilies(counters: Counters): Family[] {
  const runs = counters.runs()
  return [
    plain(
      'counter',
      'executions_total',
      'Runs of this process whose outcome has been written.',
      runs.flatMap(({ labels, outcomes }) =>
        [...outcomes].map(([outcome, count]): [Record<string, string>, number] => [
          { ...labels, outcome },
          count,
        ]),
      ),
    ),
    histogram(
      'execution_lateness_seconds',
      'Time from when a run was due until it began.',
      runs.map((it) => [it.labels, it.lateness]),
    ),
    histogram(
      'execution_duration_seconds',
      'Time from when a run began until it ended.',
      runs.map((it) => [it.labels, it.duration]),
    ),
  ]
}

const claimFamilies = (it: Counters): Family[] => [
  plain('counter', 'claims_total', 'Claims that this process has made.', it.claims),
  plain('counter', 'executions_claimed_total', 'Executions in these claims.', it.claimedExecutions),
  plain(
    'counter',
    'occurrences_skipped_total',
    "Occurrences that this process's claims have skipped, by reason. Those skipped when a task is resumed or its schedule changes are only in the ledger.",
    by('reason', it.skipped),
  ),
  plain(
    'counter',
    'executions_lost_total',
    'Running executions that this process has found lost, since their worker went silent.',
    it.lost,
  ),
  plain(
    'counter',
    'executions_freed_total',
    'Executions that a silent worker had claimed but not started, and that this process has freed.',
    it.freed,
  ),
  plain(
    'counter',
    'tasks_paused_total',
    'Tasks that this process has paused because an occurrence was lost more often than crash_limit allows.',
    it.pausedTasks,
  ),
  plain(
    'counter',
    'executions_repaired_total',
    'Open executions without a claim that this process has found and repaired. Each points to a bug, or to a change by hand.',
    it.repaired,
  ),
]

const tickFamilies = ({ counters, watch }: Source): Family[] => [
  histogram('tick_duration_seconds', 'Duration of ticks.', [[{}, counters.ticks]]),
  plain('counter', 'tick_failures_total', 'Ticks that failed.', counters.failedTicks),
  plain(
    'gauge',
    'last_tick_timestamp_seconds',
    'When the last tick of this process succeeded, in seconds since 1970. Absent if none has.',
    counters.lastTickAt === null ? [] : [[{}, counters.lastTickAt / 1000]],
  ),
  plain(
    'gauge',
    'duty_overdue_seconds',
    'For how long a tick, a heartbeat or the writing of outcomes is overdue in this process. 0 if it is on time.',
    by(
      'duty',
      Object.entries(watch.isWatching ? watch.overdueMs() : {}).map(([duty, ms]) => [duty, ms / 1000]),
    ),
  ),
]

function slotFamilies(executor: Executor | undefined): Family[] {
  const shares = executor ? Object.entries(executor.slotUse()) : []
  return [
    plain(
      'gauge',
      'slots',
      'Runs that this process may run at once, by share. The share "kept" is for quick runs and runs by hand.',
      by(
        'share',
        shares.map(([share, { slots }]) => [share, slots]),
      ),
    ),
    plain(
      'gauge',
      'slots_used',
      'Slots that are taken in this process, by share and task type.',
      shares.flatMap(([share, { taken }]) =>
        [...taken].map(([type, count]): [Record<string, string>, number] => [{ share, type }, count]),
      ),
    ),
    plain(
      'gauge',
      'executions_held',
      'Executions that this process holds: running, claimed ahead, or waiting to be written.',
      executor?.load ?? 0,
    ),
  ]
}
