import { type ReactNode, useEffect, useId } from 'react';
import classes from './Page.module.css';

type Props = {
  title: string;
  subtitle?: ReactNode;
  actions?: ReactNode;
  /** A link to the page above this one. */
  back?: ReactNode;
  children: ReactNode;
};

/** A page: its heading, what can be done on it, and its content. */
export function Page({ title, subtitle, actions, back, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Creel`;
  }, [title]);
  return (
    <div className={classes.page}>
      {back}
      <header className={classes.head}>
        <div className={classes.titles}>
          <h1 className={classes.title}>{title}</h1>
          {subtitle && <div className={classes.subtitle}>{subtitle}</div>}
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A part of a page with a heading of its own. */
export function Card({
  title,
  actions,
  children,
}: {
  title?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section className={classes.card} aria-labelledby={title ? id : undefined}>
      {(title || actions) && (
        <div className={classes.cardHead}>
          {title && (
            <h2 className={classes.cardTitle} id={id}>
              {title}
            </h2>
          )}
          {actions}
        </div>
      )}
      <div className={classes.cardBody}>{children}</div>
    </section>
  );
}
