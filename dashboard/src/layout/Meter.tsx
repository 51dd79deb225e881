import classes from './Meter.module.css';
import type { Tone } from './Pill';

type Props = { label: string; value: number; max: number; text: string; tone?: Tone };

/** How much of something is used: a word, a figure and a bar. */
export function Meter({ label, value, max, text, tone = 'busy' }: Props) {
  const share = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0;
  return (
    <div className={classes.meter}>
      <div className={classes.words}>
        <span className={classes.label}>{label}</span>
        <span className={classes.text}>{text}</span>
      </div>
      <div className={classes.bar} aria-hidden>
        <div className={`${classes.fill} ${classes[tone]}`} style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}
