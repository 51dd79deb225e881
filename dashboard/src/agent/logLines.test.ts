import { describe, expect, it } from 'vitest';
import { logLines } from './logLines';

describe('the log of an agent', () => {
  it('is in order and plain', () => {
    const rows = [
      { seq: 2, lines: '\u001b[31mred\u001b[0m\u0000\n', skipped_bytes: 12 },
      { seq: 1, lines: 'one\ntwo\n', skipped_bytes: 0 },
    ];
    expect(logLines(rows, 10)).toEqual(['one', 'two', '… 12 bytes are left away …', 'red']);
    expect(logLines(rows, 1)).toEqual(['red']);
  });
});
