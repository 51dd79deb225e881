import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';

const HEIGHT = 180;
/** On a phone not every month has room for its name. */
const LABEL_WIDTH = 46;

type Props = {
  /** What the plot says, for who cannot see it. */
  label: string;
  names: readonly string[];
  values: readonly number[];
  format: (value: number) => string;
};

/** One amount a month as bars. */
export default function Bars({ label, names, values, format }: Props) {
  const { ref: box, width } = useElementSize();
  const target = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (!target.current || width === 0) return;
    // A canvas knows no variables: the colours of the scheme are read when it changes.
    const style = getComputedStyle(document.documentElement);
    const read = (name: string) => style.getPropertyValue(name).trim();
    const bar = scheme ? read('--busy') : '';
    const axis = {
      stroke: read('--faint'),
      font: '11px "Inter Variable", system-ui, sans-serif',
      ticks: { show: false },
    };
    const every = Math.max(1, Math.ceil((names.length * LABEL_WIDTH) / Math.max(1, width - 70)));
    const last = names.length - 1;
    const plot = new UPlot(
      {
        width,
        height: HEIGHT,
        padding: [10, 8, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [-0.6, last + 0.6] },
          y: { range: (_plot, min, max) => [Math.min(0, min), Math.max(max, 1) * 1.1] },
        },
        axes: [
          {
            ...axis,
            size: 26,
            grid: { show: false },
            splits: () => names.map((_, index) => index).filter((index) => (last - index) % every === 0),
            values: (_plot, ticks) => ticks.map((tick) => names[tick] ?? ''),
          },
          {
            ...axis,
            size: 64,
            grid: { stroke: read('--line'), width: 1 },
            splits: (_plot, _axis, _min, max) => [0, max / 2.2, max / 1.1],
            values: (_plot, ticks) => ticks.map((tick) => format(Math.round(tick))),
          },
        ],
        series: [
          {},
          {
            fill: bar,
            width: 0,
            points: { show: false },
            paths: UPlot.paths.bars?.({ size: [0.62, 46], radius: 0.14 }),
          },
        ],
      },
      [names.map((_, index) => index), [...values]],
      target.current,
    );
    return () => plot.destroy();
  }, [width, names, values, format, scheme]);
  return (
    <figure ref={box} style={{ margin: 0, minHeight: HEIGHT }} aria-label={label}>
      <div ref={target} aria-hidden />
    </figure>
  );
}
