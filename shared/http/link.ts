import { config } from '../config.ts'

/** Returns a path of this API as clients see it: with PUBLIC_URL in front, if that is set. */
export const toLink = (path: string): string => (config().publicUrl ?? '') + path
