import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { Card, Page } from './layout/Page';
import { Pill } from './layout/Pill';
import { Empty, Failed, Loading } from './layout/states';
import { SignIn } from './sign-in/SignIn';
import { type Db, DbProvider } from './supabase/client';
import { show } from './testing/render';

it('no style tag is made: the policy would refuse it', () => {
  show(
    <DbProvider value={{} as Db}>
      <SignIn />
      <Page title="A page">
        <Card title="A card">
          <Pill tone="good">well</Pill>
          <Loading />
          <Empty icon={null} title="nothing" />
          <Failed error={new Error('it broke')} />
        </Card>
      </Page>
    </DbProvider>,
  );
  expect(screen.getByRole('button', { name: 'Sign in' })).toBeEnabled();
  expect(document.querySelectorAll('style').length).toBe(0);
});

it('text becomes markup nowhere: not by the browser’s own ways past React either', () => {
  const ways =
    /\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\beval\(|new Function\(/;
  const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$/.test(file),
  );
  expect(sources.length).toBeGreaterThan(100);
  const found = sources.filter((file) => ways.test(readFileSync(join(import.meta.dirname, file), 'utf8')));
  expect(found).toEqual([]);
});
