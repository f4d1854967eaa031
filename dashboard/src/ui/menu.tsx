import { Menu as Base } from '@base-ui/react/menu'
import { type ReactNode, useState } from 'react'
import { Icon, type IconName } from './icon.tsx'

export type MenuItem = {
  label: string
  icon?: IconName
  onSelect: () => void
  refused?: string | null | undefined
  danger?: boolean
}

/** A button that opens a menu. */
type Props = { label: string; items: MenuItem[]; text?: string; defaultOpen?: boolean }

export const Menu = ({ label, items, text, defaultOpen = false }: Props) => (
  <Base.Root modal={false} defaultOpen={defaultOpen}>
    <Base.Trigger
      className={text ? 'button' : 'button plain only-icon'}
      aria-label={text ? undefined : label}
    >
      {text ?? <Icon name="more" />}
      {text && <Icon name="down" />}
    </Base.Trigger>
    {/* Within the landmark, so that screen readers find it there. */}
    <Base.Portal container={document.getElementById('main')}>
      <Base.Positioner sideOffset={4} align="end" className="above">
        <Base.Popup className="menu">
          {items.map(({ label: name, icon, onSelect, refused, danger }) => (
            <Base.Item
              key={name}
              className={danger ? 'menu-item danger' : 'menu-item'}
              disabled={Boolean(refused)}
              title={refused ?? undefined}
              onClick={onSelect}
            >
              {icon ? <Icon name={icon} /> : <span className="icon" />}
              {name}
            </Base.Item>
          ))}
        </Base.Popup>
      </Base.Positioner>
    </Base.Portal>
  </Base.Root>
)

/**
 * A menu that is only created once its button is pressed, for rows of long tables. It costs a hundred times as much as
 * the button.
 */
export function MenuOnDemand({ label, children }: { label: string; children: () => ReactNode }) {
  const [isUsed, setUsed] = useState(false)
  if (isUsed) return children()
  return (
    <button
      type="button"
      className="button plain only-icon"
      aria-label={label}
      aria-haspopup="menu"
      onClick={() => setUsed(true)}
    >
      <Icon name="more" />
    </button>
  )
}
