import { sum } from './statistics.js';

/** The straight line that lies nearest to some points (least squares). */
export interface LinearFit {
  readonly intercept: number;
  readonly slope: number;
  /** Share of the variance that the line explains: 1 is all of it. */
  readonly rSquared: number;
}

export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): LinearFit {
  const meanX = sum(points.map(({ x }) => x)) / points.length;
  const meanY = sum(points.map(({ y }) => y)) / points.length;
  const spreadX = sum(points.map(({ x }) => (x - meanX) ** 2));
  const spreadY = sum(points.map(({ y }) => (y - meanY) ** 2));
  const together = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY)));
  const slope = together / spreadX;
  return {
    intercept: meanY - slope * meanX,
    slope,
    rSquared: spreadY === 0 ? 1 : together ** 2 / (spreadX * spreadY),
  };
}
