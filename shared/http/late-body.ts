import type { APIGatewayProxyEventV2 } from 'aws-lambda'

/** Maximum size of a body, in bytes. */
export const BODY_LIMIT = 262_144

const late = new WeakMap<APIGatewayProxyEventV2, () => Promise<void>>()

/**
 * Registers a function that reads an event's body and adds it to the event. This lets a runtime that receives requests
 * itself keep each body out of memory until its request has been admitted. Lambda's events already have their bodies.
 */
export function provideBody(event: APIGatewayProxyEventV2, read: () => Promise<void>): void {
  late.set(event, read)
}

/**
 * Adds the body to an event, if the runtime has left it out. Throws any error from the function that reads the body.
 */
export async function receiveBody(event: APIGatewayProxyEventV2): Promise<void> {
  await late.get(event)?.()
}
