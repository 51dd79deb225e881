import { IconFolderPlus } from '@tabler/icons-react';
import { Navigate } from '@tanstack/react-router';
import classes from '../layout/Page.module.css';
import { Empty, Failed, Loading } from '../layout/states';
import { useProjects } from './project';

/** Goes on to the first of the person's projects. */
export default function FirstProject() {
  const projects = useProjects();
  const first = projects.data?.[0];
  if (first) return <Navigate to="/p/$project/agents" params={{ project: first.id }} replace />;
  return (
    <main className={classes.page}>
      {projects.isPending && <Loading />}
      {projects.isError && <Failed error={projects.error} retry={() => void projects.refetch()} />}
      {projects.data && (
        <Empty isPage icon={<IconFolderPlus size={22} />} title="You have no project yet">
          Ask an owner to add you, or make one by <code>creel project create</code>.
        </Empty>
      )}
    </main>
  );
}
