/**
 * Many deadlines, one timer: a binary heap of keyed deadlines for the sans-I/O machines.
 *
 * Setting a key again moves its deadline. Costs O(log n) for set and for each expired key; a moved or cancelled deadline
 * leaves a dead entry behind that is skipped when it comes up, and the heap is rebuilt once more than half is dead.
 */

import type { Instant } from './time.ts'

interface Entry<Key> {
  readonly key: Key
  readonly at: Instant
}

export class TimerQueue<Key> {
  #heap: Entry<Key>[] = []
  readonly #deadlines = new Map<Key, Entry<Key>>()

  get size(): number {
    return this.#deadlines.size
  }

  set(key: Key, at: Instant): void {
    const entry = { key, at }
    this.#deadlines.set(key, entry)
    this.#heap.push(entry)
    this.#siftUp(this.#heap.length - 1)
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#deadlines.size) this.#rebuild()
  }

  cancel(key: Key): void {
    this.#deadlines.delete(key)
  }

  deadlineOf(key: Key): Instant | undefined {
    return this.#deadlines.get(key)?.at
  }

  /** The earliest deadline, or undefined when none is set. */
  next(): Instant | undefined {
    this.#dropDead()
    return this.#heap[0]?.at
  }

  /** Removes and returns one key whose deadline is at or before `now`; undefined when there is none. */
  takeExpired(now: Instant): Key | undefined {
    this.#dropDead()
    const first = this.#heap[0]
    if (first === undefined || first.at > now) return undefined
    this.#popFirst()
    this.#deadlines.delete(first.key)
    return first.key
  }

  #dropDead(): void {
    for (
      let first = this.#heap[0];
      first !== undefined && this.#deadlines.get(first.key) !== first;
      first = this.#heap[0]
    ) {
      this.#popFirst()
    }
  }

  #popFirst(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#siftDown(0)
  }

  #rebuild(): void {
    this.#heap = [...this.#deadlines.values()].sort((a, b) => a.at - b.at)
  }

  #siftUp(start: number): void {
    const heap = this.#heap
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      const a = heap[index]
      const b = heap[parent]
      if (a === undefined || b === undefined || b.at <= a.at) return
      heap[index] = b
      heap[parent] = a
      index = parent
    }
  }

  #siftDown(start: number): void {
    const heap = this.#heap
    let index = start
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let smallest = index
      if ((heap[left]?.at ?? Infinity) < (heap[smallest]?.at ?? Infinity)) smallest = left
      if ((heap[right]?.at ?? Infinity) < (heap[smallest]?.at ?? Infinity)) smallest = right
      const a = heap[index]
      const b = heap[smallest]
      if (smallest === index || a === undefined || b === undefined) return
      heap[index] = b
      heap[smallest] = a
      index = smallest
    }
  }
}
