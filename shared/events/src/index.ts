export {
  type AssociationSnapshot,
  type AssociationSnapshots,
  type AssociationSnapshotsOptions,
  redisAssociationSnapshots,
} from './association-snapshots.ts'
export type { OutboxPort, OutboxRow, PublishedEvent } from './published-event.ts'
export { connectRedis, type RedisConnection, type RedisOptions, redisReadiness } from './redis-connection.ts'
export {
  defaultRedisUserLine,
  type RedisGrant,
  type RedisUser,
  redisConnectionCommands,
  redisUserLine,
  redisUsers,
} from './redis-users.ts'
export { type Relay, startRelay } from './relay.ts'
export { type Subscription, subscribeEvents } from './subscription.ts'
