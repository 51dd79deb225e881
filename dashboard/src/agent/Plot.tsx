import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import UPlot from 'uplot';
import classes from './Plot.module.css';

const HEIGHT = 150;

const HOURS = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAYS = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
/** A plot of more than two days is read by days. */
const DAYS_FROM_SECS = 2 * 86_400;

const clock = (at: number, spanSecs: number) =>
  (spanSecs > DAYS_FROM_SECS ? DAYS : HOURS).format(new Date(at * 1_000));

type Props = {
  label: string;
  times: readonly (number | null)[];
  values: readonly (number | null)[];
  /** Seconds since the epoch at the left and at the right edge. */
  from: number;
  to: number;
  format: (value: number) => string;
  /** The name of a variable of the theme. */
  color: string;
};

/** One figure over time. What it shows is told in words too, for who cannot see it. */
export default function Plot({ label, times, values, from, to, format, color }: Props) {
  const { ref: box, width } = useElementSize();
  const target = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  const [hovered, setHovered] = useState<number | null>(null);
  const known = values.filter((value): value is number => value !== null);
  const last = known.at(-1);
  const words =
    last === undefined
      ? `${label}: nothing was measured`
      : `${label}: now ${format(last)}, at most ${format(Math.max(...known))}, at least ${format(Math.min(...known))}`;

  useEffect(() => {
    if (!target.current || width === 0) return;
    // A canvas knows no variables: the colours of the scheme are read when it changes.
    const style = getComputedStyle(document.documentElement);
    const read = (name: string) => style.getPropertyValue(name).trim();
    const line = scheme ? read(color) : '';
    const axis = {
      stroke: read('--faint'),
      font: '11px "Inter Variable", system-ui, sans-serif',
      grid: { stroke: read('--line'), width: 1 },
      ticks: { show: false },
    };
    const plot = new UPlot(
      {
        width,
        height: HEIGHT,
        padding: [8, 4, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { time: true, range: [from, to] },
          y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 28,
            space: 64,
            values: (_plot, ticks) => ticks.map((tick) => clock(tick, to - from)),
          },
          { ...axis, size: 66, space: 44, values: (_plot, ticks) => ticks.map(format) },
        ],
        series: [
          {},
          { stroke: line, width: 1.5, fill: `${line}1f`, points: { show: false }, spanGaps: false },
        ],
        hooks: { setCursor: [(plot) => setHovered(plot.cursor.idx ?? null)] },
      },
      [times as number[], values as (number | null)[]],
      target.current,
    );
    return () => plot.destroy();
  }, [width, times, values, from, to, format, color, scheme]);

  const value = hovered === null ? last : values[hovered];
  return (
    <figure ref={box} aria-label={words} style={{ margin: 0 }}>
      <div className={classes.head} aria-hidden>
        <span className={classes.name}>{label}</span>
        <span className={classes.value}>{value === null || value === undefined ? '–' : format(value)}</span>
      </div>
      <div ref={target} className={classes.plot} aria-hidden />
    </figure>
  );
}
