/** Thrown for an invalid cron expression; `message` says what is wrong and in which field. */
export class InvalidCron extends Error {
  override name = 'InvalidCron'
}
