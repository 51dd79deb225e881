import { Button } from '@mantine/core';
import { IconFolderOff } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import classes from '../layout/Page.module.css';
import { Shell } from '../layout/Shell';
import { Empty, Failed, Loading } from '../layout/states';
import { LiveProvider } from '../live/LiveProvider';
import { ProjectProvider, useProjects } from './project';

/** Everything that is shown of one project. */
export default function ProjectRoute() {
  const { project: id } = useParams({ from: '/p/$project' });
  const projects = useProjects();
  const project = projects.data?.find((each) => each.id === id);
  if (project) {
    return (
      <ProjectProvider project={project}>
        <LiveProvider key={project.id} projectId={project.id}>
          <Shell />
        </LiveProvider>
      </ProjectProvider>
    );
  }
  return (
    <main className={classes.page}>
      {projects.isPending && <Loading />}
      {projects.isError && <Failed error={projects.error} retry={() => void projects.refetch()} />}
      {projects.data && (
        <Empty
          isPage
          icon={<IconFolderOff size={22} />}
          title="There is no such project"
          action={
            <Button component={Link} to="/" variant="default">
              Your projects
            </Button>
          }
        >
          It may have been removed, or you are no member of it any more.
        </Empty>
      )}
    </main>
  );
}
