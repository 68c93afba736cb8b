import { describe, expect, it } from 'vitest'
import { csvRecords } from '../src/csv-records.ts'

describe('comma-separated values', () => {
  it('RFC 4180 section 2: quotes, quoted quotes, commas and lines in a field, either end of line', () => {
    const text = '\ufeffname,note\r\n"a, b","say ""hi""\nthere"\r\n\r\nc,\n'
    expect(csvRecords(text, 'x.csv')).toEqual([
      { line: 2, fields: { name: 'a, b', note: 'say "hi"\nthere' } },
      { line: 5, fields: { name: 'c', note: undefined } },
    ])
  })

  it('needs no line end at its end', () => {
    expect(csvRecords('a,b\n1,2', 'x.csv')).toEqual([{ line: 2, fields: { a: '1', b: '2' } }])
    expect(csvRecords('a,b\n1,', 'x.csv')).toEqual([{ line: 2, fields: { a: '1', b: undefined } }])
  })

  it.each([
    ['', 'empty'],
    ['a,b\n1', 'line 2'],
    ['a\n"open', 'line 2'],
    ['a\nb"c"', 'line 2'],
  ])('%j is refused where it is wrong', (text, said) => {
    expect(() => csvRecords(text, 'x.csv')).toThrow(said)
  })
})
