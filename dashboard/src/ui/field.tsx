import { type ReactNode, useId } from 'react'

type Control = { id: string; 'aria-describedby'?: string | undefined; 'aria-invalid'?: boolean | undefined }

type Props = {
  label: string
  hint?: ReactNode
  problem?: string | undefined
  children: (props: Control) => ReactNode
  className?: string
}

/** A control with its label, a hint and an error. */
export function Field({ label, hint, problem, children, className = '' }: Props) {
  const id = useId()
  const described = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(' ')
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-describedby': described || undefined,
        'aria-invalid': problem ? true : undefined,
      })}
      {hint && <small id={`${id}-hint`}>{hint}</small>}
      {problem && (
        <span id={`${id}-problem`} className="problem">
          {problem}
        </span>
      )}
    </div>
  )
}

type ValueProps = Omit<Props, 'children'> & { value: string; onChange: (value: string) => void }

export const TextField = ({
  value,
  onChange,
  disabled,
  required,
  placeholder,
  ...rest
}: ValueProps & { disabled?: boolean; required?: boolean; placeholder?: string }) => (
  <Field {...rest}>
    {(props) => (
      <input
        {...props}
        value={value}
        disabled={disabled}
        required={required}
        placeholder={placeholder}
        onChange={(event) => onChange(event.target.value)}
      />
    )}
  </Field>
)

export const NumberField = ({
  value,
  onChange,
  unit,
  ...rest
}: ValueProps & { unit?: string | undefined }) => (
  <Field {...rest}>
    {(props) => (
      <span className="with-unit">
        <input
          {...props}
          inputMode="decimal"
          className="num"
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
        {unit && <span className="quiet">{unit}</span>}
      </span>
    )}
  </Field>
)

export const SelectField = ({
  value,
  onChange,
  options,
  ...rest
}: ValueProps & { options: readonly (readonly [string, string])[] }) => (
  <Field {...rest}>
    {(props) => (
      <select {...props} value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    )}
  </Field>
)

export const TimeField = ({ value, onChange, ...rest }: ValueProps) => (
  <Field {...rest}>
    {(props) => (
      <input
        {...props}
        type="datetime-local"
        step="1"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    )}
  </Field>
)
