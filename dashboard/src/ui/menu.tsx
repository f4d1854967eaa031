import { Menu as Base } from '@base-ui/react/menu'
import { Icon, type IconName } from './icon.tsx'

export type MenuItem = {
  label: string
  icon?: IconName
  onSelect: () => void
  refused?: string | null | undefined
  danger?: boolean
}

/** A button that opens a list of actions. */
export const Menu = ({ label, items, text }: { label: string; items: MenuItem[]; text?: string }) => (
  <Base.Root modal={false}>
    <Base.Trigger
      className={text ? 'button' : 'button plain only-icon'}
      aria-label={text ? undefined : label}
    >
      {text ?? <Icon name="more" />}
      {text && <Icon name="down" />}
    </Base.Trigger>
    <Base.Portal>
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
