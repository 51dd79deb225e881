import { describe, expect, it } from 'vitest';
import type { Row } from '../supabase/client';
import { differences, formProblems, planPayload, readForm } from './config';

const form = readForm({
  name: 'Ada',
  role: 'engineer',
  emoji: '🛠️',
  config: { model: 'x/y', skills: ['a'], other: { kept: true } },
  limits: { ram_mb: 2_048 },
} as unknown as Row<'agents'>);

describe('the configuration of an agent', () => {
  it('is sent as what is another, and nothing else', () => {
    expect(planPayload(form, form)).toEqual({});
    expect(
      planPayload(form, {
        ...form,
        name: ' Bea ',
        model: '',
        skills: ['a', 'b'],
        ram_mb: '',
        cpu_percent: '50',
      }),
    ).toEqual({
      name: 'Bea',
      config: { model: null, skills: ['a', 'b'] },
      limits: { ram_mb: null, cpu_percent: 50 },
    });
  });

  it('is shown as what it was and what it is to be', () => {
    expect(differences(form, { ...form, model: 'x/z', ram_mb: '' })).toEqual([
      { field: 'model', label: 'Model', before: 'x/y', after: 'x/z' },
      { field: 'ram_mb', label: 'Memory limit (MB)', before: '2048', after: 'no limit' },
    ]);
  });

  it('is refused where it makes no sense', () => {
    expect(Object.keys(formProblems({ ...form, ram_mb: 'much', name: ' ' }))).toEqual(['ram_mb', 'name']);
    expect(Object.keys(formProblems({ ...form, cpu_percent: 'Infinity', disk_mb: '-1' }))).toEqual([
      'cpu_percent',
      'disk_mb',
    ]);
  });
});
