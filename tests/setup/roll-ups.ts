import { db } from '../../shared/db.ts'
import { Pace, rollUp } from '../../shared/stats/roll-up.ts'

/** Lets the roll-ups begin at this time, as if what ended before it had been counted. */
export async function countFrom(at: string): Promise<void> {
  await db()`update roll_up set totals_until = ${at}::timestamptz, tasks_until = ${at}::timestamptz`
}

/** Rolls up everything that is final, also for each task. */
export async function stepOn(pace = new Pace()): Promise<void> {
  // A step that finds nothing to count may still find out that there is something final, for the next one.
  for (let rests = 0; rests < 2; ) {
    await db()`update roll_up set due_at = 'epoch'`
    if ((await rollUp(db(), pace, { tasksMs: 0 })) > 0) rests += 1
  }
}

/** Rolls up everything that has ended, as if a minute had passed since. */
export async function countAll(): Promise<void> {
  await db()`update roll_up set final_until = clock_timestamp() + interval '1 ms', final_after = '3'`
  await stepOn()
}
