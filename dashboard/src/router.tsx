import { IconMapOff } from '@tabler/icons-react';
import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Outlet,
  useRouter,
} from '@tanstack/react-router';
import { readAgentSearch } from './agent/tabs';
import { readFilter } from './agents/filter';
import { readBilling } from './billing/view';
import { readHosts } from './hosts/view';
import { loadPart } from './layout/load';
import { Page } from './layout/Page';
import classes from './layout/Page.module.css';
import { PartFailed } from './layout/part';
import { Empty, Loading } from './layout/states';
import FirstProject from './project/FirstProject';
import ProjectRoute from './project/ProjectRoute';
import { readView } from './queue/view';

const root = createRootRoute({ component: Outlet });
const first = createRoute({ getParentRoute: () => root, path: '/', component: FirstProject });
const project = createRoute({ getParentRoute: () => root, path: '/p/$project', component: ProjectRoute });

// Each page is a file of its own, which is loaded when somebody goes there.
const pages = [
  createRoute({
    getParentRoute: () => project,
    path: 'agents',
    validateSearch: readFilter,
    component: lazyRouteComponent(() => loadPart(() => import('./agents/AgentsPage'))),
  }),
  createRoute({
    getParentRoute: () => project,
    path: 'agents/$agent',
    validateSearch: readAgentSearch,
    component: lazyRouteComponent(() => loadPart(() => import('./agent/AgentPage'))),
  }),
  createRoute({
    getParentRoute: () => project,
    path: 'hosts',
    validateSearch: readHosts,
    component: lazyRouteComponent(() => loadPart(() => import('./hosts/HostsPage'))),
  }),
  createRoute({
    getParentRoute: () => project,
    path: 'hosts/$host',
    component: lazyRouteComponent(() => loadPart(() => import('./hosts/HostPage'))),
  }),
  createRoute({
    getParentRoute: () => project,
    path: 'queue',
    validateSearch: readView,
    component: lazyRouteComponent(() => loadPart(() => import('./queue/QueuePage'))),
  }),
  createRoute({
    getParentRoute: () => project,
    path: 'billing',
    validateSearch: readBilling,
    component: lazyRouteComponent(() => loadPart(() => import('./billing/BillingPage'))),
  }),
  createRoute({
    getParentRoute: () => project,
    path: 'project',
    component: lazyRouteComponent(() => loadPart(() => import('./project/ProjectPage'))),
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren([first, project.addChildren(pages)]),
  basepath: import.meta.env.BASE_URL,
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultPendingComponent: () => (
    <div className={classes.page}>
      <Loading />
    </div>
  ),
  defaultErrorComponent: PageFailed,
  defaultNotFoundComponent: () => (
    <Page title="Not found">
      <Empty
        icon={<IconMapOff size={22} />}
        title="There is no such page"
        action={<Link to="/">Back to your agents</Link>}
      />
    </Page>
  ),
});

/** What is shown in the place of a page. */
function PageFailed({ error }: { error: unknown }) {
  const router = useRouter();
  return (
    <div className={classes.page}>
      <PartFailed title="This page could not be shown" error={error} retry={() => void router.invalidate()} />
    </div>
  );
}

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
