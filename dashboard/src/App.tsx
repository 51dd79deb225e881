import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useState } from 'react';
import { Messages } from './layout/Messages';
import { Loading } from './layout/states';
import { router } from './router';
import { SignIn } from './sign-in/SignIn';
import { type Db, DbProvider } from './supabase/client';
import { toProblem } from './supabase/problem';
import { SessionProvider, useSessionState } from './supabase/session';
import { theme } from './theme/theme';

/** What a person may not do, or what is not there, is not there a moment later either. */
function shouldRetry(failures: number, error: unknown): boolean {
  return toProblem(error).code === 'unreachable' && failures < 2;
}

function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      // The page asks even where the browser believes to be offline: a stack on this machine is there all the same.
      queries: { staleTime: 15_000, gcTime: 300_000, retry: shouldRetry, networkMode: 'always' },
      mutations: { networkMode: 'always' },
    },
  });
}

export function App({ db }: { db: Db }) {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <DbProvider value={db}>
        <Gate />
        <Messages />
      </DbProvider>
    </MantineProvider>
  );
}

/** Nobody sees anything before it is known who asks. */
function Gate() {
  const session = useSessionState();
  if (session === undefined) {
    // It is asked for anew where it has ended meanwhile, which takes a while without a network.
    return (
      <main className="late">
        <Loading />
      </main>
    );
  }
  if (session === null) return <SignIn />;
  return (
    <SessionProvider session={session} key={session.user.id}>
      <SignedIn />
    </SessionProvider>
  );
}

/** Made anew for each person, so that nobody sees what was loaded for another one. */
function SignedIn() {
  const [queries] = useState(makeQueryClient);
  return (
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}
