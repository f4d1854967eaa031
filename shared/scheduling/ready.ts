import type { Work } from './work.ts'

/** Of what waits so many of the latest are looked at for kept places: it is done after each run. */
const LATEST = 200

/**
 * What is due in this process and waits for a place. What a person asked for goes first. Retries get at most half of the places that are free while
 * anything else waits; and of the others those that have waited for longest and those that have just come get as many each, so that
 * nobody waits behind a crowd.
 */
export class Ready {
  #byHand: Work[] = []
  #fresh: Work[] = []
  #again: Work[] = []
  #isTheirTurn = false

  get size(): number {
    return this.#byHand.length + this.#fresh.length + this.#again.length
  }

  add(works: Work[]): void {
    for (const work of works) {
      if (work.execution.trigger !== 'schedule') this.#byHand.push(work)
      else if (work.execution.attempt > 1) this.#again.push(work)
      else this.#fresh.push(work)
    }
  }

  /** Takes so many for places that everyone may have. */
  take(count: number): Work[] {
    const taken = this.#byHand.splice(0, count)
    const left = count - taken.length
    const again = Math.min(this.#again.length, Math.max(left - this.#fresh.length, this.#half(left)))
    return [...taken, ...this.#again.splice(0, again), ...this.#takeFresh(left - again)]
  }

  /** Takes those that get a kept place: what was asked for by hand, then the others, the latest first. `place` tells whether there is one for it. */
  takeKept(place: (work: Work) => boolean): Work[] {
    const latest = this.#fresh.slice(-LATEST).reverse()
    const taken = new Set([...this.#byHand, ...latest].filter(place))
    if (taken.size === 0) return []
    this.#byHand = this.#byHand.filter((work) => !taken.has(work))
    this.#fresh = this.#fresh.filter((work) => !taken.has(work))
    return [...taken]
  }

  /** Takes all that `isWanted`. */
  remove(isWanted: (work: Work) => boolean): Work[] {
    const all = [...this.#byHand, ...this.#again, ...this.#fresh]
    this.#byHand = []
    this.#again = []
    this.#fresh = []
    this.add(all.filter((work) => !isWanted(work)))
    return all.filter(isWanted)
  }

  /** The odd one goes to the one and to the other in turns. */
  #half(count: number): number {
    if (count % 2 === 0) return count / 2
    this.#isTheirTurn = !this.#isTheirTurn
    return (count + (this.#isTheirTurn ? 1 : -1)) / 2
  }

  #takeFresh(count: number): Work[] {
    if (count >= this.#fresh.length) return this.#fresh.splice(0)
    const oldest = this.#fresh.splice(0, this.#half(count))
    const latest = count - oldest.length
    return latest === 0 ? oldest : [...oldest, ...this.#fresh.splice(-latest)]
  }
}
