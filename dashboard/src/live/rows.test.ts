import { describe, expect, it } from 'vitest';
import { allRows, withEnded } from './rows';

describe('rows of more than one page', () => {
  it('are all there, also when one goes in between', async () => {
    let table = Array.from({ length: 2_400 }, (_, n) => ({ id: String(n).padStart(5, '0') }));
    const asked: (string | null)[] = [];
    const rows = await allRows(
      async (after) => {
        asked.push(after);
        const data = table.filter(({ id }) => after === null || id > after).slice(0, 1_000);
        table = table.slice(1);
        return { data, error: null };
      },
      ({ id }) => id,
    );
    expect(asked).toEqual([null, '00999', '01999']);
    expect(rows.at(-1)).toEqual({ id: '02399' });
    expect(rows.length).toBe(2_400);
  });

  it('are there once: what ended between two questions is over', () => {
    const open = [
      { id: 'a', status: 'sent' },
      { id: 'b', status: 'pending' },
    ];
    expect(withEnded(open, [{ id: 'a', status: 'acked' }])).toEqual([
      { id: 'a', status: 'acked' },
      { id: 'b', status: 'pending' },
    ]);
  });
});
