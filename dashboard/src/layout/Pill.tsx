import type { ReactNode } from 'react';
import classes from './Pill.module.css';

/** How something stands: well, under way, worth a look, broken, or at rest. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

/** A state in a word, with a dot in its colour. */
export function Pill({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`${classes.pill} ${classes[tone]}`}>
      <span className={classes.dot} aria-hidden />
      {children}
    </span>
  );
}
