import type { APIGatewayProxyEventV2 } from 'aws-lambda'

/** Maximum size of a body, in bytes. */
export const BODY_LIMIT = 262_144

const late = new WeakMap<APIGatewayProxyEventV2, () => Promise<void>>()

/**
 * Registers a function that reads an event's body and adds it to the event. This way, a runtime that receives requests
 * itself keeps no body in memory until the request has been let in. Lambda's events already have their bodies.
 */
export function provideBody(event: APIGatewayProxyEventV2, read: () => Promise<void>): void {
  late.set(event, read)
}

/** Adds the body to an event, if the runtime has left it out. Throws the errors of the function that reads it. */
export async function receiveBody(event: APIGatewayProxyEventV2): Promise<void> {
  await late.get(event)?.()
}
