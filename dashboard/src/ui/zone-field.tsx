import { Combobox } from '@base-ui/react/combobox'
import { useId } from 'react'
import { zoneOffset } from '../text/time.ts'

const ZONES = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')]

type Props = { value: string; onChange: (zone: string) => void; problem: string | undefined }

/** A time zone, found by typing a part of its name. */
export function ZoneField({ value, onChange, problem }: Props) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>Time zone</label>
      <Combobox.Root items={ZONES} value={value} onValueChange={(zone) => zone && onChange(zone)} limit={50}>
        <Combobox.Input id={id} aria-describedby={`${id}-hint`} aria-invalid={problem ? true : undefined} />
        <Combobox.Portal container={document.getElementById('main')}>
          <Combobox.Positioner sideOffset={4} className="above">
            <Combobox.Popup className="menu zones">
              <Combobox.Empty className="nothing">No such zone</Combobox.Empty>
              <Combobox.List>
                {(zone: string) => (
                  <Combobox.Item key={zone} value={zone} className="menu-item">
                    {zone}
                  </Combobox.Item>
                )}
              </Combobox.List>
            </Combobox.Popup>
          </Combobox.Positioner>
        </Combobox.Portal>
      </Combobox.Root>
      <small id={`${id}-hint`}>{offsetWords(value)}</small>
      {problem && <span className="problem">{problem}</span>}
    </div>
  )
}

function offsetWords(zone: string): string {
  try {
    const now = new Date()
    const time = now.toLocaleTimeString(undefined, {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    return `It is ${time} there now. You are in ${zoneOffset(now.getTime())}.`
  } catch {
    return 'Not a zone that this browser knows.'
  }
}
