// Only this file of the package is imported: the others are limiters for a dozen databases, and would be a quarter of a
// function's code. The package declares no types for it.
declare module 'rate-limiter-flexible/lib/RateLimiterMemory.js' {
  export { RateLimiterMemory as default } from 'rate-limiter-flexible'
}
