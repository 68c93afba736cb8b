export { ManualClock } from './manual-clock.ts'
export {
  between,
  type Clock,
  clockFrom,
  type Duration,
  days,
  earlier,
  hours,
  type Instant,
  inSeconds,
  instant,
  later,
  milliseconds,
  minutes,
  seconds,
  toRfc3339,
} from './time.ts'
export { TimerQueue } from './timer-queue.ts'
