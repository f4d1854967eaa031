import { type ReactNode, useState } from 'react'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'

type Props = {
  title: string
  /** The label of the confirm button. */
  verb: string
  danger?: boolean
  children: ReactNode
  onClose: () => void
  onConfirm: () => Promise<unknown>
  isReady?: boolean
}

/** Says what would happen, and asks for confirmation. */
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
