import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { throttle } from './throttle';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('acts at once, then once in a while, and a last time after the last call', () => {
  const act = vi.fn();
  const { call } = throttle(act, 1_000);
  call();
  expect(act).toHaveBeenCalledTimes(1);
  for (let n = 0; n < 50; n += 1) call();
  expect(act).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1_000);
  expect(act).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(5_000);
  expect(act).toHaveBeenCalledTimes(2);
});

it('acts no more once it is cancelled', () => {
  const act = vi.fn();
  const { call, cancel } = throttle(act, 1_000);
  call();
  call();
  cancel();
  vi.advanceTimersByTime(5_000);
  expect(act).toHaveBeenCalledTimes(1);
});
