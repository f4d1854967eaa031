import type * as z from 'zod'
import type { keyOut, newKeyOut } from '../shared/access/keys.ts'
import { type AddCommands, wholeNumber } from './options.ts'
import { shortInstant } from './output.ts'

type Key = z.output<typeof keyOut>

const columns = [
  { title: 'ID', right: true, cell: (it: Key) => String(it.id) },
  { title: 'NAME', flexible: true, cell: (it: Key) => it.name },
  { title: 'SCOPE', cell: (it: Key) => it.scope },
  { title: 'EXPIRES (UTC)', cell: (it: Key) => shortInstant(it.expires_at) },
  { title: 'LAST USED (UTC)', cell: (it: Key) => shortInstant(it.last_used_at) },
] as const

export const addKeyCommands: AddCommands = (program, session) => {
  program
    .command('list-keys')
    .description('list the named API keys')
    .action(async () => {
      const { api, output } = session()
      output.table([...columns], await api.list<Key>('/keys'), 'there are no keys')
    })

  program
    .command('create-key')
    .description('create an API key, which is shown only once')
    .argument('<name>', 'who uses the key')
    .requiredOption('--scope <read|run|write|admin>', 'what the key may do')
    .option('--expires-at <time>', 'when the key stops working, in ISO 8601 (default never)')
    .action(async (name: string, { scope, expiresAt }: { scope: string; expiresAt?: string }) => {
      const { api, output } = session()
      const key = await api.call<z.output<typeof newKeyOut>>('POST', '/keys', {
        name,
        scope,
        expires_at: expiresAt,
      })
      output.say(key.key, key)
    })

  program
    .command('delete-key')
    .description('delete an API key')
    .argument('<id>', 'key id', wholeNumber)
    .action(async (id: number) => {
      const { api, output } = session()
      const answer = await api.call<object>('DELETE', `/keys/${id}`)
      output.say(`key ${id} is deleted; it stops working within 10 seconds`, answer)
    })
}
