import { PositionSet } from './position-set.js';

/** The memory behind the pool: moves whole blocks (all layers' keys and values). */
export interface BlockStore {
  /** Overwrites block `to` with what block `from` holds. */
  copy(from: number, to: number): void;
  /** Exchanges what two blocks hold. */
  swap(a: number, b: number): void;
}

/** Whoever blocks of the pool belong to; it counts its own blocks by `place`. */
export interface Tenant {
  /** Whether anything in that block is worth keeping: one that is reserved and not written yet can be moved for free. */
  hasContent(place: number): boolean;
  /** That block now lies at `position`. */
  moved(place: number, position: number): void;
}

/**
 * Who holds which physical block, and where the blocks lie. A position is free, or has a tenant; it is active or idle.
 * Free positions are given out lowest first, so that the pool's upper end stays untouched (and not resident) for as long
 * as the lower one has room.
 */
export class BlockPool {
  readonly #store: BlockStore;
  readonly #tenants: (Tenant | undefined)[];
  /** Which of its tenant's blocks a position holds. */
  readonly #places: Int32Array;
  readonly #free: PositionSet;
  readonly #active: PositionSet;
  /** What is not active, free positions included. */
  readonly #idle: PositionSet;

  /** @param blocks how many positions there are, all free at first */
  constructor(blocks: number, store: BlockStore) {
    this.#store = store;
    this.#tenants = Array.from({ length: blocks }, () => undefined);
    this.#places = new Int32Array(blocks);
    this.#free = new PositionSet(blocks);
    this.#active = new PositionSet(blocks);
    this.#idle = new PositionSet(blocks);
    for (let position = 0; position < blocks; position++) {
      this.#free.add(position);
      this.#idle.add(position);
    }
  }

  /** How many positions nobody holds. */
  get free(): number {
    return this.#free.size;
  }

  /** Gives the lowest free position to `tenant`; only where `free` is not 0. */
  take(tenant: Tenant, place: number): number {
    const position = this.#free.lowest();
    this.#free.delete(position);
    this.assign(position, tenant, place);
    return position;
  }

  /** Passes a position with all it holds from one tenant to another. */
  assign(position: number, tenant: Tenant, place: number): void {
    this.#tenants[position] = tenant;
    this.#places[position] = place;
  }

  /** Frees a position that is idle. */
  release(position: number): void {
    this.#tenants[position] = undefined;
    this.#free.add(position);
  }

  setActive(position: number, active: boolean): void {
    (active ? this.#idle : this.#active).delete(position);
    (active ? this.#active : this.#idle).add(position);
  }

  /**
   * Brings the active blocks into the pool's low end, so that they fill it without a gap: each one that lies behind
   * changes places with an idle one in between.
   *
   * Where m active blocks with content have to come in and n idle ones with content have to go out, that takes max(m, n)
   * moves, which is the least: no move brings in, or takes out, more than one.
   */
  gather(): void {
    const count = this.#active.size;
    const holes: number[] = [];
    for (let low = this.#idle.lowest(); low >= 0 && low < count; low = this.#idle.lowest()) {
      this.setActive(low, true);
      holes.push(low);
    }
    if (holes.length === 0) return;
    const strays: number[] = [];
    for (let high = this.#active.highest(); high >= count; high = this.#active.highest()) {
      this.setActive(high, false);
      strays.push(high);
    }
    // ascending, so that of the strays the highest become free
    const incoming = this.#contentFirst(strays.toReversed());
    for (const [i, hole] of this.#contentFirst(holes).entries()) {
      this.#exchange(hole, incoming[i] as number);
    }
  }

  #contentFirst(positions: readonly number[]): number[] {
    return [
      ...positions.filter((position) => this.#hasContent(position)),
      ...positions.filter((position) => !this.#hasContent(position)),
    ];
  }

  #hasContent(position: number): boolean {
    return this.#tenants[position]?.hasContent(this.#places[position] as number) ?? false;
  }

  /** Exchanges two positions' tenants, and moves what is worth keeping with them. */
  #exchange(a: number, b: number): void {
    const fromA = this.#hasContent(a);
    const fromB = this.#hasContent(b);
    if (fromA && fromB) this.#store.swap(a, b);
    else if (fromA) this.#store.copy(a, b);
    else if (fromB) this.#store.copy(b, a);

    const tenant = this.#tenants[a];
    const place = this.#places[a] as number;
    this.#put(a, this.#tenants[b], this.#places[b] as number);
    this.#put(b, tenant, place);
  }

  #put(position: number, tenant: Tenant | undefined, place: number): void {
    if (tenant === undefined) {
      this.release(position);
      return;
    }
    this.#free.delete(position);
    this.assign(position, tenant, place);
    tenant.moved(place, position);
  }
}
