import * as z from 'zod'
import { config } from '../../shared/config.ts'
import { AppError } from '../../shared/errors.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { isStuck } from '../../shared/scheduling/health/health.ts'
import { watch } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Check whether a restart would help',
    description:
      'Fails only if the database responds but the scheduler has made no progress for three times the lease.',
    access: 'public',
    responses: {
      200: { description: 'Healthy', body: z.object({ status: z.literal('ok') }) },
      503: { description: 'A restart would help' },
    },
  },
  async () => {
    const { databaseUrl, leaseSeconds } = config()
    if (await isStuck(watch(), { databaseUrl: databaseUrl ?? '', leaseSeconds })) {
      throw new AppError('unavailable', 'the scheduler has made no progress for three times the lease', {
        reason: 'scheduler',
      })
    }
    return { status: 200, body: { status: 'ok' } }
  },
)
