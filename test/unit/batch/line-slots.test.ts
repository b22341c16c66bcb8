import { describe, expect, it } from 'vitest';
import { LineSlots } from '../../../src/batch/execution/line-slots.js';
import { settled } from '../helpers/recorder.js';

const ALIVE = new AbortController().signal;
const SHORT = 100;
/** Takes three slots. */
const LONG = 1024 * 1024;

/** Takes slots, and tells in `order` when it has them. */
function take(slots: LineSlots, name: string, bytes: number, order: string[], signal = ALIVE): void {
  const wait = slots.take(bytes, signal);
  if (!wait) order.push(name);
  else
    wait.then(
      () => order.push(name),
      () => order.push(`${name} gave up`),
    );
}

describe('slots for lines', () => {
  it('are given to as many as there are, and then in the order in which they were asked for', async () => {
    const slots = new LineSlots(2);
    const order: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) take(slots, name, SHORT, order);
    expect(order).toEqual(['a', 'b']);
    slots.release(SHORT);
    slots.release(SHORT);
    await settled();
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are several for a long line, which nobody overtakes', async () => {
    const slots = new LineSlots(4);
    const order: string[] = [];
    take(slots, 'a', LONG, order);
    take(slots, 'b', LONG, order);
    take(slots, 'c', SHORT, order);
    expect(order).toEqual(['a']);
    slots.release(LONG);
    await settled();
    expect(order).toEqual(['a', 'b', 'c']);
  });

  it('are all for a line that is longer than all of them', () => {
    const slots = new LineSlots(2);
    const order: string[] = [];
    take(slots, 'a', 100 * LONG, order);
    take(slots, 'b', SHORT, order);
    expect(order).toEqual(['a']);
    slots.release(100 * LONG);
    expect(slots.take(SHORT, ALIVE)).toBeUndefined();
  });

  it('are for the next one when somebody who waits gives up', async () => {
    const slots = new LineSlots(3);
    const order: string[] = [];
    const givingUp = new AbortController();
    take(slots, 'a', SHORT, order);
    take(slots, 'b', LONG, order, givingUp.signal);
    take(slots, 'c', SHORT, order);
    givingUp.abort();
    await settled();
    expect(order.toSorted()).toEqual(['a', 'b gave up', 'c']);
    slots.release(SHORT);
    slots.release(SHORT);
    expect(slots.take(LONG, ALIVE)).toBeUndefined();
  });
});
