import { type ReactNode, useState } from 'react'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'

type Props = {
  title: string
  /** What the button that goes ahead says. */
  verb: string
  danger?: boolean
  children: ReactNode
  onClose: () => void
  onConfirm: () => Promise<unknown>
  isReady?: boolean
}

/** Says what would happen, and waits for a decision. */
export function Confirm({ title, verb, danger, children, onClose, onConfirm, isReady = true }: Props) {
  const [isBusy, setBusy] = useState(false)
  const confirm = async () => {
    setBusy(true)
    await onConfirm()
    onClose()
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void confirm()
        }}
      >
        {children}
        <div className="actions end">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind={danger ? 'danger' : 'primary'} disabled={isBusy || !isReady}>
            {verb}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
