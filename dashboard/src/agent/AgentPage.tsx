import { IconChevronLeft, IconRobotOff } from '@tabler/icons-react';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { Suspense, useEffect } from 'react';
import { Avatar } from '../agents/Avatar';
import { type AgentView, useAgents } from '../agents/agents';
import { LinkButton } from '../layout/LinkButton';
import page from '../layout/Page.module.css';
import { Pill } from '../layout/Pill';
import { part } from '../layout/part';
import { Empty, Failed, Loading } from '../layout/states';
import { useProject } from '../project/project';
import { Actions } from './Actions';
import classes from './Agent.module.css';
import { Overview } from './Overview';
import { Situation } from './Situation';
import { TABS, type TabName } from './tabs';

const Files = part(() => import('./files/Files'));
const Configuration = part(() => import('./Configuration'));
const Activity = part(() => import('./Activity'));
const Log = part(() => import('./Log'));

/** One agent: how it stands, what it has done, what it knows and is. */
export default function AgentPage() {
  const project = useProject();
  const { agent: slug } = useParams({ from: '/p/$project/agents/$agent' });
  const { tab = 'overview' } = useSearch({ from: '/p/$project/agents/$agent' });
  const { views, isPending, error, retry, hosts } = useAgents(project.id);
  const view = views?.find((each) => each.slug === slug) ?? views?.find((each) => each.agent.id === slug);
  const name = view?.name;
  useEffect(() => {
    document.title = name ? `${name} · Creel` : 'Agent · Creel';
  }, [name]);
  return (
    <div className={page.page}>
      <Link to="/p/$project/agents" params={{ project: project.id }} className={classes.back}>
        <IconChevronLeft size={15} aria-hidden /> Agents
      </Link>
      {error !== null && !view && (
        <Failed error={error} retry={retry} title="The agent could not be loaded" />
      )}
      {!view && isPending && <Loading />}
      {views && !view && (
        <Empty
          isPage
          icon={<IconRobotOff size={22} />}
          title={`There is no agent ${slug}`}
          action={
            <LinkButton to="/p/$project/agents" params={{ project: project.id }} variant="default">
              All agents
            </LinkButton>
          }
        >
          It may have been removed.
        </Empty>
      )}
      {view && (
        <>
          <Head view={view} canEdit={project.canEdit} />
          <Situation view={view} canEdit={project.canEdit} />
          <Tabs current={tab} />
          <Suspense fallback={<Loading />}>
            {tab === 'overview' && <Overview view={view} hosts={hosts} />}
            {tab === 'files' && <Files key={view.agent.id} view={view} />}
            {tab === 'config' && <Configuration key={view.agent.id} view={view} hosts={hosts} />}
            {tab === 'activity' && <Activity view={view} hosts={hosts} />}
            {tab === 'log' && <Log view={view} />}
          </Suspense>
        </>
      )}
    </div>
  );
}

function Head({ view, canEdit }: { view: AgentView; canEdit: boolean }) {
  const { agent, name, short, state } = view;
  return (
    <header className={classes.head}>
      <Avatar emoji={agent.emoji} color={agent.color} name={name} large />
      <div className={classes.names}>
        <div className={classes.title}>
          <h1>{name}</h1>
          <output>
            <Pill tone={state.tone}>{state.label}</Pill>
          </output>
        </div>
        <div className={classes.about}>
          {agent.role && <span>{agent.role}</span>}
          <code>{short}</code>
        </div>
      </div>
      {canEdit && (
        <div className={classes.actions}>
          <Actions view={view} />
        </div>
      )}
    </header>
  );
}

function Tabs({ current }: { current: TabName }) {
  return (
    <nav className={classes.tabs} aria-label="Of this agent">
      {TABS.map(({ name, label }) => (
        <Link
          key={name}
          from="/p/$project/agents/$agent"
          to="."
          search={name === 'overview' ? {} : { tab: name }}
          className={classes.tab}
          // Else every part would be the overview, too.
          activeOptions={{ exact: name === 'overview', includeSearch: true }}
          aria-current={name === current ? 'page' : undefined}
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}
