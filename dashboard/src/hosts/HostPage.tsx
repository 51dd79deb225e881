import { IconChevronLeft, IconServerOff } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import { LinkButton } from '../layout/LinkButton';
import { useNow } from '../layout/now';
import { Page } from '../layout/Page';
import pageClasses from '../layout/Page.module.css';
import { Pill } from '../layout/Pill';
import { Empty, Failed, Loading } from '../layout/states';
import { useRows } from '../live/rows';
import { useProject } from '../project/project';
import { Access } from './Access';
import { AgentsThere } from './AgentsThere';
import { describeHost, platformWords } from './describe';
import { Earned } from './Earned';
import { useFleet } from './fleet';
import { Health } from './Health';
import { HostActions } from './HostActions';
import { HostEvents } from './HostEvents';
import classes from './HostPage.module.css';
import { Offer } from './Offer';

/** One host: how it is, who lives there, what it offers, by what it comes in. */
export default function HostPage() {
  const project = useProject();
  const { host: id } = useParams({ from: '/p/$project/hosts/$host' });
  const fleet = useFleet(project.id);
  const agents = useRows(project.id, 'agents');
  const now = useNow();
  const back = (
    <Link to="/p/$project/hosts" params={{ project: project.id }} className={pageClasses.back}>
      <IconChevronLeft size={15} aria-hidden /> Hosts
    </Link>
  );
  const view = fleet.data?.find(({ host }) => host.id === id);
  if (!view) {
    return (
      <Page title="Host" back={back}>
        {fleet.isPending && <Loading rows={3} height={120} />}
        {fleet.isError && !fleet.data && <Failed error={fleet.error} retry={() => void fleet.refetch()} />}
        {fleet.data && (
          <Empty
            icon={<IconServerOff size={22} />}
            title="There is no such host"
            action={
              <LinkButton to="/p/$project/hosts" params={{ project: project.id }} variant="default">
                All hosts
              </LinkButton>
            }
          >
            It may serve this project no longer, or it is somebody else's.
          </Empty>
        )}
      </Page>
    );
  }
  const { host } = view;
  const living = (agents.data ?? []).filter(
    ({ host_id, status }) => host_id === host.id && status !== 'removed',
  );
  const state = describeHost(
    { ...view, outdatedSince: host.outdated_since, drains: host.status === 'draining' },
    now,
  );
  const about = [
    view.terms === 'rented' ? 'Rented' : view.mine ? 'Your own' : 'Of the project',
    platformWords(host.platform),
  ];
  return (
    <Page
      title={host.name}
      back={back}
      subtitle={
        <span className={classes.subtitle}>
          <Pill tone={state.tone}>{state.label}</Pill>
          {about.filter(Boolean).join(' · ')}
        </span>
      }
      actions={<HostActions view={view} agentCount={living.length} />}
    >
      <div className={classes.columns}>
        <div className={classes.column}>
          <Health view={view} state={state} agentCount={living.length} />
          <AgentsThere agents={living} projectId={project.id} />
          {view.mine && <Earned hostId={host.id} />}
        </div>
        <div className={classes.column}>
          <Offer view={view} />
          {view.mine && <Access hostId={host.id} />}
          <HostEvents hostId={host.id} projectId={project.id} />
        </div>
      </div>
    </Page>
  );
}
