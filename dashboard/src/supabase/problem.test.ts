import { describe, expect, it } from 'vitest';
import { toProblem } from './problem';

describe('what went wrong', () => {
  it('is the network only where no server answered', () => {
    expect(toProblem(new TypeError('Failed to fetch')).code).toBe('unreachable');
    expect(toProblem({ message: 'TypeError: Failed to fetch', code: '', hint: '' }).code).toBe('unreachable');
    expect(toProblem({ message: 'the update was aborted', code: 'PT409', hint: 'Try again.' })).toMatchObject(
      {
        message: 'The update was aborted.',
        hint: 'Try again.',
      },
    );
  });

  it('says who may do it where the server knows', () => {
    const refused = { code: '42501', message: 'permission denied', hint: null };
    expect(toProblem(refused).hint).toMatch(/role of an editor/);
    expect(toProblem({ ...refused, hint: 'Ask an owner of the project to do it.' }).hint).toBe(
      'Ask an owner of the project to do it.',
    );
  });
});
