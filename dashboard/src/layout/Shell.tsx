import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useProject } from '../project/project';
import { LazyMenu } from './LazyMenu';
import { LiveBadge } from './LiveBadge';
import { NAVIGATION } from './navigation';
import { ProjectButton } from './ProjectButton';
import classes from './Shell.module.css';
import { UserButton } from './UserButton';

const loadUserMenu = () => import('./UserMenu');
const loadProjectMenu = () => import('./ProjectMenu');

const Account = () => <LazyMenu target={(open) => <UserButton onClick={open} />} load={loadUserMenu} />;
const Projects = () => (
  <LazyMenu target={(open) => <ProjectButton onClick={open} />} load={loadProjectMenu} />
);

/** What is around every page: the way to the others, the project, the connection, the account. */
export function Shell() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    // A screen reader is told of another page by the focus; the first one speaks for itself.
    if (shown.current !== pathname) main.current?.focus({ preventScroll: true });
    shown.current = pathname;
  }, [pathname]);
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        Skip to content
      </a>
      <aside className={classes.side} aria-label="Project">
        <Brand />
        <Projects />
        <Navigation className={classes.nav} label="Pages" />
        <div className={classes.foot}>
          <FootLine />
        </div>
      </aside>
      <div className={classes.top}>
        <Projects />
        <span className={classes.topSpace} />
        <LiveBadge />
        <Account />
      </div>
      <main id="main" className={classes.main} ref={main} tabIndex={-1}>
        <Outlet />
      </main>
      <Navigation className={`${classes.nav} ${classes.bottom}`} label="Pages, short" />
    </div>
  );
}

function Brand() {
  return (
    <div className={classes.brand}>
      <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
      Creel
    </div>
  );
}

function FootLine() {
  return (
    <div className={classes.footLine}>
      <LiveBadge />
      <Account />
    </div>
  );
}

function Navigation({ className, label }: { className: string | undefined; label: string }) {
  const project = useProject();
  return (
    <nav className={className} aria-label={label}>
      {NAVIGATION.map(({ to, label: name, icon: Icon }) => (
        <Link key={to} to={to} params={{ project: project.id }} className={classes.link}>
          <Icon size={18} stroke={1.6} aria-hidden />
          {name}
        </Link>
      ))}
    </nav>
  );
}
