import { describe, expect, it } from 'vitest';
import {
  CONNECTING_MS,
  decideMode,
  type Facts,
  initialFacts,
  nextFacts,
  SILENT_MS,
  type Signal,
} from './state';

const factsAfter = (...signals: Signal[]): Facts => signals.reduce(nextFacts, initialFacts(0));

describe('the mode of the connection', () => {
  it('is connecting at first, and polling when Realtime does not come', () => {
    expect(decideMode(factsAfter(), CONNECTING_MS - 1)).toBe('connecting');
    expect(decideMode(factsAfter(), CONNECTING_MS)).toBe('polling');
  });

  it('is live while Realtime gives signs of life', () => {
    const facts = factsAfter({ type: 'joined', at: 1_000 }, { type: 'heard', at: 5_000 });
    expect(decideMode(facts, 5_000 + SILENT_MS)).toBe('live');
    expect(decideMode(facts, 5_001 + SILENT_MS)).toBe('polling');
    expect(decideMode(nextFacts(facts, { type: 'heard', at: 20_000 }), 20_001)).toBe('live');
  });

  it('is polling once the channel is left, whatever was heard', () => {
    const facts = factsAfter({ type: 'joined', at: 9_000 }, { type: 'left' }, { type: 'heard', at: 9_500 });
    expect(decideMode(facts, 9_600)).toBe('polling');
  });

  it('is offline when calls do not get through, and recovers with the first that does', () => {
    const facts = factsAfter({ type: 'joined', at: 1_000 }, { type: 'reached', ok: false });
    expect(decideMode(facts, 2_000)).toBe('offline');
    expect(decideMode(nextFacts(facts, { type: 'reached', ok: true }), 3_000)).toBe('live');
  });
});
