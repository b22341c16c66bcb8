import { describe, expect, it } from 'vitest';
import { normalized, poolRow, scoreLabels, sigmoid, softmax } from '../../../src/engine/encoding/vectors.js';

// two rows, three tokens, two numbers each; the second row has one token of padding
const STATES = Float32Array.of(1, 2, 3, 4, 5, 9, /**/ 10, 20, 30, 60, 999, 999);
const SECOND = { row: 1, width: 3, size: 2, length: 2 };

describe('pooling', () => {
  it.each([
    ['cls', [10, 20]],
    ['last', [30, 60]],
    ['mean', [20, 40]],
  ] as const)('%s leaves padding out', (pooling, expected) => {
    expect([...poolRow(STATES, SECOND, pooling)]).toEqual(expected);
  });

  it("doesn't return a view of the whole pass", () => {
    expect(poolRow(STATES, SECOND, 'cls').buffer.byteLength).toBe(8);
  });
});

it('normalises to length 1, and zeros to zeros', () => {
  expect([...normalized(Float32Array.of(3, 4))]).toEqual([0.6, 0.8].map(Math.fround));
  expect([...normalized(Float32Array.of(0, 0))]).toEqual([0, 0]);
});

it('softmax sums up to 1, also of large numbers', () => {
  const [a = 0, b = 0] = softmax([1000, 1001]);
  expect(a + b).toBeCloseTo(1, 12);
  expect(b / a).toBeCloseTo(Math.E, 10);
});

describe('scores', () => {
  const logits = Float32Array.of(0, 2, -1);
  const labels = ['a', 'b', 'c'];

  it('come best first, with names', () => {
    expect(scoreLabels(logits, labels, 'raw')).toEqual([
      { label: 'b', score: 2 },
      { label: 'a', score: 0 },
      { label: 'c', score: -1 },
    ]);
  });

  it('of a single label of several: together 1', () => {
    const scores = scoreLabels(logits, labels, 'softmax').map(({ score }) => score);
    expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 12);
  });

  it('of labels by themselves: each between 0 and 1', () => {
    expect(scoreLabels(logits, labels, 'sigmoid')[1]).toEqual({ label: 'a', score: 0.5 });
    expect(sigmoid(-1000)).toBe(0);
  });
});
