import { urlOf } from '../api/client.ts'
import { Dialog } from '../ui/dialog.tsx'

const KEYS = [
  ['/', 'Search tasks'],
  ['n', 'New task'],
  ['g o', 'Go to the overview'],
  ['g t', 'Go to the tasks'],
  ['g e', 'Go to the executions'],
  ['?', 'This list'],
  ['Esc', 'Close a dialog or a menu'],
] as const

export const Help = ({ onClose }: { onClose: () => void }) => (
  <Dialog title="Keyboard shortcuts" onClose={onClose}>
    <dl className="keys">
      {KEYS.map(([key, meaning]) => (
        <div key={key}>
          <dt>
            {key.split(' ').map((part) => (
              <kbd key={part}>{part}</kbd>
            ))}
          </dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
    <p className="quiet">
      Everything here is also an API call: <a href={urlOf('docs')}>API documentation</a>.
    </p>
  </Dialog>
)
