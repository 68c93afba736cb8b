import { describe, expect, it } from 'vitest'
import {
  auditEventTypes,
  auditSeverities,
  auditSubjectKinds,
  checkAuditDetails,
  isAuditEventType,
} from '../src/index.ts'

describe('the registry of audit events', () => {
  it('is closed: names, severities and subjects are those that are listed', () => {
    for (const [name, definition] of Object.entries(auditEventTypes)) {
      expect(name).toMatch(/^[a-z-]+\.[a-z-]+$/)
      expect(auditSeverities).toContain(definition.severity)
      expect(auditSubjectKinds).toContain(definition.subject)
    }
    expect(isAuditEventType('device.online')).toBe(true)
    expect(['constructor', 'toString', 'device.exploded'].filter(isAuditEventType)).toEqual([])
  })

  it('takes details that fit their type', () => {
    const details = { deviceId: 'd', href: '/light/1', method: 'POST', state: 'succeeded', coapCode: '2.04' }
    expect(checkAuditDetails('command.finished', details)).toEqual(details)
    expect(checkAuditDetails('hub.recorded', {})).toEqual({})
  })

  it.each([
    ['a field too many', { name: 'n', password: 'secret' }, 'does not belong'],
    ['a field too few', {}, 'is missing'],
    ['another kind', { name: 7 }, 'is not text'],
    ['a text without bounds', { name: 'x'.repeat(1025) }, 'is not text'],
    ['no object', 'name', 'no object'],
    ['an array', [], 'no object'],
    ['null', null, 'no object'],
  ])('refuses %s', (_, details, why) => {
    expect(() => checkAuditDetails('organization.created', details)).toThrow(why)
  })

  it('refuses numbers that are none, and lists without bounds', () => {
    const details = { fields: ['name'], version: 2 }
    expect(() => checkAuditDetails('device.changed', { ...details, version: Number.NaN })).toThrow('version')
    expect(() => checkAuditDetails('device.changed', { ...details, fields: [1] })).toThrow('fields')
    expect(() => checkAuditDetails('device.changed', { ...details, fields: Array(513).fill('x') })).toThrow('fields')
  })

  it('names no secret in any shape', () => {
    const fields = Object.values(auditEventTypes).flatMap(({ details }) => Object.keys(details))
    expect(fields.filter((name) => /password|secret|token$|code$|hash|pin/i.test(name))).toEqual([
      'code',
      'coapCode',
      'errorCode',
      'code',
      'code',
      'coapCode',
      'errorCode',
    ])
  })
})
