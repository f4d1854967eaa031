import { scheduleWords } from '../text/words.ts'
import { Field, NumberField, SelectField, TextField, TimeField } from '../ui/field.tsx'
import { ZoneField } from '../ui/zone-field.tsx'
import { type Draft, type Problems, UNITS } from './draft.ts'

type Props = { draft: Draft; set: (change: Partial<Draft>) => void; problems: Problems; isNew: boolean }

const TYPES = [
  ['cron', 'Cron'],
  ['interval', 'Interval'],
  ['once', 'Once'],
] as const

export function ScheduleFields({ draft, set, problems, isNew }: Props) {
  return (
    <div className="fields">
      <fieldset className="segments">
        <legend>Kind of schedule</legend>
        {TYPES.map(([type, label]) => (
          <button
            type="button"
            key={type}
            aria-pressed={draft.schedule_type === type}
            onClick={() => set({ schedule_type: type })}
          >
            {label}
          </button>
        ))}
      </fieldset>
      {draft.schedule_type === 'cron' && <Cron draft={draft} set={set} problems={problems} />}
      {draft.schedule_type === 'interval' && <Interval draft={draft} set={set} problems={problems} />}
      {draft.schedule_type === 'once' && (
        <TimeField
          label="Date and time"
          hint="In your time zone."
          value={draft.first}
          onChange={(first) => set({ first })}
          problem={problems.next_run_at}
        />
      )}
      <details
        open={!isNew && Boolean(draft.start_at || draft.end_at || draft.jitter_seconds || draft.max_runs)}
      >
        <summary>Limits</summary>
        <div className="fields two">
          <TimeField
            label="Not before"
            value={draft.start_at}
            onChange={(start_at) => set({ start_at })}
            problem={problems.start_at}
            hint="Optional, in your time zone."
          />
          <TimeField
            label="Not after"
            value={draft.end_at}
            onChange={(end_at) => set({ end_at })}
            problem={problems.end_at}
            hint="Optional, in your time zone."
          />
          <NumberField
            label="Runs at most"
            value={draft.max_runs}
            onChange={(max_runs) => set({ max_runs })}
            problem={problems.max_runs}
            hint="Optional. Then the schedule ends."
          />
          <NumberField
            label="Jitter up to"
            unit="s"
            value={draft.jitter_seconds}
            onChange={(jitter_seconds) => set({ jitter_seconds })}
            problem={problems.jitter_seconds}
            hint="A fixed delay, so that tasks don't all start together."
          />
        </div>
      </details>
    </div>
  )
}

type PartProps = Omit<Props, 'isNew'>

const EXAMPLES = [
  ['*/5 * * * *', 'Every 5 minutes'],
  ['0 * * * *', 'Hourly'],
  ['0 3 * * *', 'Daily at 03:00'],
  ['0 9 * * 1-5', 'Weekdays at 09:00'],
  ['0 0 1 * *', 'Monthly'],
] as const

/** Returns the expression in words, or nothing if it has none: the preview says why. */
function cronHint({ cron_expression, timezone }: Draft): string | undefined {
  const words = scheduleWords({
    schedule_type: 'cron',
    interval_seconds: null,
    interval_mode: 'fixed_rate',
    cron_expression,
    timezone,
  })
  return words === cron_expression ? undefined : words
}

const Cron = ({ draft, set, problems }: PartProps) => (
  <>
    <TextField
      className="code"
      label="Cron expression"
      value={draft.cron_expression}
      onChange={(cron_expression) => set({ cron_expression })}
      problem={problems.cron_expression}
      hint={cronHint(draft)}
    />
    <fieldset className="chips">
      <legend className="unseen">Examples</legend>
      {EXAMPLES.map(([expression, text]) => (
        <button
          type="button"
          className="chip"
          key={expression}
          aria-pressed={draft.cron_expression === expression}
          onClick={() => set({ cron_expression: expression })}
        >
          {text}
        </button>
      ))}
    </fieldset>
    <ZoneField
      value={draft.timezone}
      onChange={(timezone) => set({ timezone })}
      problem={problems.timezone}
    />
  </>
)

const Interval = ({ draft, set, problems }: PartProps) => (
  <>
    <Field label="Every" problem={problems.interval_seconds}>
      {(props) => (
        <span className="with-unit">
          <input
            {...props}
            inputMode="numeric"
            className="num"
            value={draft.every}
            onChange={(event) => set({ every: event.target.value })}
          />
          <select
            aria-label="Unit"
            value={draft.unit}
            onChange={(event) => set({ unit: event.target.value })}
          >
            {Object.keys(UNITS).map((unit) => (
              <option key={unit}>{unit}</option>
            ))}
          </select>
        </span>
      )}
    </Field>
    <SelectField
      label="Measured from"
      value={draft.interval_mode}
      onChange={(interval_mode) => set({ interval_mode })}
      options={[
        ['fixed_rate', 'The previous occurrence'],
        ['fixed_delay', 'The end of the previous run'],
      ]}
    />
  </>
)
