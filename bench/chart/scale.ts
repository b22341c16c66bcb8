/** Where a value lies on an axis, 0 to 1, and which values are marked on it. */
export interface Scale {
  readonly ticks: readonly number[];
  position(value: number): number;
}

/** From 0 to a round number above the largest value. */
export function linearScale(values: readonly number[], mostTicks = 6): Scale {
  const largest = Math.max(...values, Number.MIN_VALUE);
  const step = niceStep(largest / (mostTicks - 1));
  const count = Math.ceil(largest / step - 1e-9);
  const end = count * step;
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => i * step),
    position: (value) => value / end,
  };
}

/** From a round number below the smallest value to one above the largest; all values are above 0. */
export function logScale(values: readonly number[]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const all = roundNumbersAround(low, high);
  const first = all.findLastIndex((tick) => tick <= low);
  const last = all.findIndex((tick) => tick >= high);
  const within = all.slice(Math.max(first, 0), last + 1);
  const decades = within.filter((tick) => Number.isInteger(Math.log10(tick)));
  return scaleBetween(within[0] ?? low, within.at(-1) ?? high, decades.length >= 3 ? decades : within);
}

/** Marks exactly these values, each as far from the next as it is a multiple of it. */
export function markedLogScale(marks: readonly number[]): Scale {
  return scaleBetween(Math.min(...marks), Math.max(...marks), marks);
}

function scaleBetween(low: number, high: number, ticks: readonly number[]): Scale {
  const from = Math.log(low);
  const length = Math.log(high) - from;
  return { ticks, position: (value) => (length === 0 ? 0.5 : (Math.log(value) - from) / length) };
}

/** 1, 2 and 5 times the powers of ten. */
function roundNumbersAround(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const decades = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
  return decades.flatMap((decade) => [decade, 2 * decade, 5 * decade]);
}

function niceStep(least: number): number {
  const decade = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((one) => one * decade >= least * (1 - 1e-9)) ?? 10;
  return factor * decade;
}
