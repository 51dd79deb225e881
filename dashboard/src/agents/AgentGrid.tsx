import { useElementSize, useMergedRef } from '@mantine/hooks';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useLayoutEffect, useRef, useState } from 'react';
import { AgentCard } from './AgentCard';
import classes from './AgentGrid.module.css';
import type { AgentView } from './agents';

/** All cards are equally high, so that a thousand of them can be scrolled without measuring any. */
const CARD_HEIGHT = 146;
const CARD_MIN_WIDTH = 300;
const GAP = 12;
/** Rows beyond the edge of the window that are there already. */
const OVERSCAN_ROWS = 4;

/** The cards, of which only those near the window are in the document. */
export function AgentGrid({ views, projectId }: { views: readonly AgentView[]; projectId: string }) {
  const list = useRef<HTMLUListElement>(null);
  const { ref: sizeRef, width } = useElementSize<HTMLUListElement>();
  const ref = useMergedRef(list, sizeRef);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    // What is above the list moves it: the filters wrap on a narrow window.
    const top = (list.current?.getBoundingClientRect().top ?? 0) + window.scrollY;
    if (width >= 0) setOffset(top);
  }, [width]);
  const columns = Math.max(1, Math.floor((width + GAP) / (CARD_MIN_WIDTH + GAP)));
  const cardWidth = (width - GAP * (columns - 1)) / columns;
  const virtualizer = useWindowVirtualizer({
    count: Math.ceil(views.length / columns),
    estimateSize: () => CARD_HEIGHT + GAP,
    overscan: OVERSCAN_ROWS,
    scrollMargin: offset,
  });
  return (
    <ul ref={ref} className={classes.grid} style={{ height: virtualizer.getTotalSize() }} aria-label="Agents">
      {width > 0 &&
        virtualizer.getVirtualItems().flatMap((row) =>
          views.slice(row.index * columns, (row.index + 1) * columns).map((view, column) => (
            <li
              key={view.agent.id}
              className={classes.cell}
              aria-setsize={views.length}
              aria-posinset={row.index * columns + column + 1}
              style={{
                width: cardWidth,
                height: CARD_HEIGHT,
                transform: `translate(${column * (cardWidth + GAP)}px, ${row.start - offset}px)`,
              }}
            >
              <AgentCard view={view} projectId={projectId} />
            </li>
          )),
        )}
    </ul>
  );
}
