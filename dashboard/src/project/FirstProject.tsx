import { Button } from '@mantine/core';
import { IconFolderPlus } from '@tabler/icons-react';
import { Navigate } from '@tanstack/react-router';
import { useAction } from '../layout/action';
import classes from '../layout/Page.module.css';
import { Empty, Failed, Loading } from '../layout/states';
import { useDb } from '../supabase/client';
import { signOut, useSession } from '../supabase/session';
import { useProjects } from './project';

/** Goes on to the first of the person's projects. */
export default function FirstProject() {
  const projects = useProjects();
  const first = projects.data?.[0];
  const { user } = useSession();
  const db = useDb();
  const [leave] = useAction(() => signOut(db));
  if (first) return <Navigate to="/p/$project/agents" params={{ project: first.id }} replace />;
  return (
    <main className={classes.page}>
      {projects.isPending && <Loading />}
      {projects.isError && <Failed error={projects.error} retry={() => void projects.refetch()} />}
      {projects.data && (
        <Empty
          isPage
          icon={<IconFolderPlus size={22} />}
          title="You have no project yet"
          action={
            <Button variant="default" onClick={() => void leave()}>
              Sign out
            </Button>
          }
        >
          You are signed in as {user.email}. Ask an owner to add you, or make a project by{' '}
          <code>creel project create</code>: it is shown here within a minute.
        </Empty>
      )}
    </main>
  );
}
