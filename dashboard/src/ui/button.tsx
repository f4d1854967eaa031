import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { Icon, type IconName } from './icon.tsx'

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: 'primary' | 'danger' | 'plain'
  icon?: IconName
  /** Why the button can't be used. The button can still be reached, so that everyone hears the reason. */
  refused?: string | null | undefined
  children?: ReactNode
}

export function Button({ kind, icon, refused, children, className = '', onClick, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      className={`button ${kind ?? ''} ${children ? '' : 'only-icon'} ${className}`}
      {...(refused ? { 'aria-disabled': true, title: refused } : { onClick })}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  )
}
