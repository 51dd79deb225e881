import { Button, Skeleton } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { toProblem } from '../supabase/problem';
import classes from './states.module.css';

type EmptyProps = {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  /** Where it is all of the page, its title is the page's. */
  isPage?: boolean;
};

/** What is shown where nothing is yet: what would be here, and how it gets here. */
export function Empty({ icon, title, children, action, isPage = false }: EmptyProps) {
  const Title = isPage ? 'h1' : 'div';
  return (
    <div className={classes.state}>
      <div className={classes.icon} aria-hidden>
        {icon}
      </div>
      <Title className={classes.title}>{title}</Title>
      {children && <div className={classes.text}>{children}</div>}
      {action && <div className={classes.action}>{action}</div>}
    </div>
  );
}

/** What went wrong, what to do, and a way to try again. */
export function Failed({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  const problem = toProblem(error);
  return (
    <div className={classes.failed} role="alert">
      <IconAlertCircle className={classes.failedIcon} size={18} aria-hidden />
      <div className={classes.failedBody}>
        <div className={classes.failedTitle}>{title ?? problem.message}</div>
        {title && <div>{problem.message}</div>}
        {problem.hint && <div className={classes.failedHint}>{problem.hint}</div>}
      </div>
      {retry && (
        <Button variant="default" size="xs" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Grey shapes of what is about to be there. */
export function Loading({ rows = 3, height = 72 }: { rows?: number; height?: number }) {
  return (
    <div className={classes.skeletons} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <Skeleton key={index} height={height} radius="md" />
      ))}
    </div>
  );
}
