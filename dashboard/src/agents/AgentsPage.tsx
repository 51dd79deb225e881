import { Button } from '@mantine/core';
import { IconFilterOff, IconPlus, IconRobot } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Suspense, useDeferredValue, useMemo, useState } from 'react';
import { Page } from '../layout/Page';
import { part } from '../layout/part';
import { Empty, Failed, Loading } from '../layout/states';
import { useProject } from '../project/project';
import { AgentGrid } from './AgentGrid';
import { useAgents } from './agents';
import { Filters } from './Filters';
import { type AgentFilter, countGroups, searchAgents } from './filter';

const CreateAgent = part(() => import('./CreateAgent'));

/** All agents of the project, at a glance. */
export default function AgentsPage() {
  const project = useProject();
  const { views, hosts, isPending, error, retry } = useAgents(project.id);
  const filter = useSearch({ from: '/p/$project/agents' });
  const navigate = useNavigate({ from: '/p/$project/agents' });
  const setFilter = (next: AgentFilter) => void navigate({ search: next, replace: true });
  const [creating, setCreating] = useState(false);
  const deferred = useDeferredValue(filter);
  const found = useMemo(() => searchAgents(views ?? [], deferred), [views, deferred]);
  const counts = useMemo(() => countGroups(found), [found]);
  const shown = deferred.show ? found.filter(({ state }) => state.group === deferred.show) : found;
  const create = project.canEdit && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      New agent
    </Button>
  );
  return (
    <Page
      title="Agents"
      subtitle={views && views.length > 0 ? summary(views.length, hosts.length) : null}
      actions={create}
    >
      {error !== null && <Failed error={error} retry={retry} title="The agents could not be loaded" />}
      {error === null && !views && isPending && <Loading rows={4} height={118} />}
      {views?.length === 0 && (
        <Empty icon={<IconRobot size={22} />} title="No agents yet" action={create}>
          {project.canEdit
            ? 'Make the first one: give it a name and a role. Its host does the rest, even if it is off at the moment.'
            : 'An editor of the project can make the first one.'}
        </Empty>
      )}
      {views && views.length > 0 && (
        <>
          <Filters filter={filter} onChange={setFilter} counts={counts} total={found.length} hosts={hosts} />
          {shown.length === 0 ? (
            <Empty
              icon={<IconFilterOff size={22} />}
              title="No agent fits"
              action={
                <Button variant="default" onClick={() => setFilter({})}>
                  Show all
                </Button>
              }
            />
          ) : (
            <AgentGrid views={shown} projectId={project.id} />
          )}
        </>
      )}
      {creating && (
        <Suspense>
          <CreateAgent onClose={() => setCreating(false)} hosts={hosts} known={views ?? []} />
        </Suspense>
      )}
    </Page>
  );
}

function summary(agents: number, hosts: number): string {
  const many = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`;
  return hosts === 0 ? many(agents, 'agent') : `${many(agents, 'agent')} on ${many(hosts, 'host')}`;
}
