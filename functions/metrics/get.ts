import { config } from '../../shared/config.ts'
import { AppError } from '../../shared/errors.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { namespace } from './emf.ts'
import { metricsText } from './exposition.ts'

const elsewhere = {
  lambda: () => `the metrics of all functions are in CloudWatch, in the namespace ${namespace()}`,
  offline: () => 'under serverless offline, each function counts in a worker of its own',
}

export const handler = httpHandler(
  {
    tag: 'Monitoring',
    access: 'read',
    summary: 'Get the metrics of this process',
    description:
      'Returns metrics in the text format of Prometheus. With METRICS_PORT, they are also on a port of their own, without a key. On Lambda and under serverless offline, the response is 404.',
    responses: {
      200: { description: 'The metrics, as text/plain; version=0.0.4' },
      404: { description: 'This runtime has no metrics of its own' },
    },
  },
  async () => {
    const { runtime } = config()
    if (runtime !== 'container')
      throw new AppError('not_found', `/metrics does not exist here: ${elsewhere[runtime]()}`)
    const { text, contentType } = await metricsText()
    return { status: 200, body: text, headers: { 'content-type': contentType } }
  },
)
