import { hash } from 'node:crypto';

/** Words of 32 bits of an id's hash. */
const WORDS = 4;
/** Tables that grow apart, so that none takes long when it does. */
const SHARDS = 256;
const FIRST_SLOTS = 16;

/** Which ids were seen, as 128 bits of a hash each: at most 40 bytes an id, however long it is. */
export class CustomIds {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard());

  /** What they take, in bytes. */
  get bytes(): number {
    return this.#shards.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** @returns false if it was seen before */
  add(id: string): boolean {
    const digest = hash('sha256', id, 'buffer');
    const shard = this.#shards[digest[16] as number] as Shard;
    return shard.add(
      digest.readUInt32LE(0),
      digest.readUInt32LE(4),
      digest.readUInt32LE(8),
      // a slot of zeros is an empty one
      digest.readUInt32LE(12) | 1,
    );
  }
}

/** A hash table with open addressing. */
class Shard {
  #slots = FIRST_SLOTS;
  #used = 0;
  #words = new Uint32Array(FIRST_SLOTS * WORDS);

  get bytes(): number {
    return this.#words.byteLength;
  }

  add(a: number, b: number, c: number, d: number): boolean {
    const at = this.#find(a, b, c, d >>> 0);
    if (this.#words[at + 3] !== 0) return false;
    this.#put(at, a, b, c, d);
    // three quarters full: probes stay short
    if (++this.#used * 4 > this.#slots * 3) this.#grow();
    return true;
  }

  /** Where it is, or where it may be put. */
  #find(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    for (let slot = a % this.#slots; ; slot = slot + 1 === this.#slots ? 0 : slot + 1) {
      const at = slot * WORDS;
      if (words[at + 3] === 0) return at;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at;
    }
  }

  #put(at: number, a: number, b: number, c: number, d: number): void {
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    this.#words[at + 3] = d;
  }

  #grow(): void {
    const old = this.#words;
    this.#slots = Math.ceil(this.#slots * 1.5);
    this.#words = new Uint32Array(this.#slots * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      const [a, b, c, d] = [old[at], old[at + 1], old[at + 2], old[at + 3]] as [
        number,
        number,
        number,
        number,
      ];
      if (d !== 0) this.#put(this.#find(a, b, c, d), a, b, c, d);
    }
  }
}
