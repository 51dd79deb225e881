import { describe, expect, it } from 'vitest';
import {
  codeState,
  enrolCommand,
  isLoopback,
  type OpenCode,
  readTags,
  wishArgument,
  wishProblems,
} from './enrol';

const wish = { name: ' mini ', capacity: '5', tags: 'gpu, mac mini, gpu,', keyDays: '' };

describe('the wish for a host', () => {
  it('is sent as the function takes it, without what was not typed', () => {
    expect(wishArgument(wish, ['acme'])).toEqual({
      name: 'mini',
      capacity: 5,
      tags: ['gpu', 'mac mini'],
      project_ids: ['acme'],
    });
    expect(wishArgument({ ...wish, name: '', keyDays: '90' }, [])).toEqual({
      capacity: 5,
      tags: ['gpu', 'mac mini'],
      project_ids: [],
      key_days: 90,
    });
    expect(readTags('')).toEqual([]);
  });

  it('is refused where the database would refuse it', () => {
    expect(wishProblems(wish)).toEqual({});
    for (const capacity of ['', '-1', '1.5', 'ten', '100001']) {
      expect(wishProblems({ ...wish, capacity })).toHaveProperty('capacity');
    }
    for (const keyDays of ['0', '3651', 'x']) {
      expect(wishProblems({ ...wish, keyDays })).toHaveProperty('keyDays');
    }
  });
});

describe('the command', () => {
  it('is the one of the command line', () => {
    const config = { supabaseUrl: 'https://abc.supabase.co', publishableKey: 'sb_publishable_x' };
    expect(enrolCommand('AB-CD', config)).toBe(
      'creel host enroll --code AB-CD --url https://abc.supabase.co --key sb_publishable_x',
    );
    expect([isLoopback('http://127.0.0.1:5'), isLoopback('https://abc.supabase.co')]).toEqual([true, false]);
  });
});

describe('a code that is shown', () => {
  const shown = { code: 'x', expires_at: '2026-10-01T12:15:00.123456+00:00' };
  const open = [{ expires_at: '2026-10-01T12:15:00.123456+00:00' } as OpenCode];
  const before = Date.parse('2026-10-01T12:10:00Z');

  it('waits until it is used or has ended', () => {
    expect(codeState(shown, undefined, before)).toBe('open');
    expect(codeState(shown, open, before)).toBe('open');
    expect(codeState(shown, [], before)).toBe('used');
    const after = Date.parse('2026-10-01T12:16:00Z');
    expect(codeState(shown, [], after)).toBe('ended');
    expect(codeState(shown, [], after, 'used')).toBe('used');
  });
});
