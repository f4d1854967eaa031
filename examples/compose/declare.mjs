// Declares a task that calls the service every minute, with up to three attempts.
const response = await fetch('http://scheduler:8000/tasks/by-name/call-service', {
  method: 'PUT',
  headers: { 'x-api-key': 'changeme', 'content-type': 'application/json' },
  body: JSON.stringify({
    type: 'http',
    schedule_type: 'interval',
    interval_seconds: 60,
    params: { url: 'http://service:9000/work', method: 'POST', body: { from: 'the scheduler' } },
    max_attempts: 3,
    retry_backoff_seconds: 1,
    description: 'Shows retries: the service fails twice for each occurrence',
  }),
})
process.stdout.write(`${response.status} ${await response.text()}\n`)
process.exitCode = response.ok ? 0 : 1
