export { certsCommand } from './certs-command.ts'
