import { describe, expect, it } from 'vitest';
import { duration, relativeTime } from './time';

describe('times', () => {
  it('are said as people say them', () => {
    expect(relativeTime(0, 5_000)).toBe('just now');
    expect(relativeTime(4_000, 0)).toBe('just now');
    expect(relativeTime(0, 42_000)).toBe('42 s ago');
    expect(relativeTime(0, 3 * 60_000)).toBe('3 min ago');
    expect(relativeTime(0, 90 * 60_000)).toBe('1 h 30 min ago');
    expect(relativeTime(120_000, 0)).toBe('in 2 min');
    expect(duration(26 * 3_600_000)).toBe('1 d 2 h');
    expect(duration(20 * 86_400_000)).toBe('20 d');
  });
});
