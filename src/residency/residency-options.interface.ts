/** What memory and computing cost. Only their ratio matters to what is suggested. */
export interface Prices {
  /** Of one GB (2^30 bytes) kept for an hour; 0: the memory is paid for anyway. */
  readonly gbHourPrice: number;
  /** Of one core, busy for an hour. */
  readonly cpuHourPrice: number;
  /** Shown beside prices, e.g. `USD`. */
  readonly currency: string;
}

export type ResidencyModuleOptions = Prices;
