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
