import type { Step } from './result';
import classes from './StepBar.module.css';

/** How far something has come. */
export function StepBar({ steps }: { steps: readonly Step[] }) {
  const done = steps.filter((step) => step.done).length;
  const current = steps[done];
  return (
    <div
      className={classes.bar}
      role="progressbar"
      aria-label={current ? current.label : 'Progress'}
      aria-valuemin={0}
      aria-valuemax={steps.length}
      aria-valuenow={done}
    >
      {steps.map((step, index) => (
        <span
          key={step.name}
          className={`${classes.step} ${step.done ? classes.done : index === done ? classes.current : ''}`}
        />
      ))}
    </div>
  );
}
