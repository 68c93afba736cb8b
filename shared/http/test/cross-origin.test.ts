import { describe, expect, it } from 'vitest'
import { originsIn } from '../src/index.ts'

describe('the origins whose pages may call', () => {
  it('are listed with commas', () => {
    expect(originsIn(undefined)).toEqual([])
    expect(originsIn(' , ')).toEqual([])
    expect(originsIn('https://a.example, http://localhost:5173,https://[2001:db8::1]:8443')).toEqual([
      'https://a.example',
      'http://localhost:5173',
      'https://[2001:db8::1]:8443',
    ])
  })

  it.each([
    '*',
    'null',
    'https://*.example',
    'console.example',
    'https://console.example/',
    'https://console.example:443',
    'https://Console.example',
    'https://user@console.example',
    'ftp://a.example',
    'https://a b',
    'file:///etc',
    'javascript:alert(1)',
  ])('do not include %j', (origin) => {
    expect(() => originsIn(`https://a.example,${origin}`)).toThrow('is no origin')
  })
})
