/** The bytes of a file that nobody holds: each is made of its place. */

export function streamOf(offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = ((offset + index) * 31 + ((offset + index) >> 10)) & 255
  return bytes
}
