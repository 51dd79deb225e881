import { Button } from '@mantine/core';
import { useDeferredValue, useMemo } from 'react';
import type { Base, Draft } from './draft';
import classes from './Files.module.css';
import { mergeTexts } from './merge';
import { SideBySide } from './SideBySide';

type Props = {
  draft: Draft;
  newer: Base;
  onTake: () => void;
  onKeep: () => void;
  onMerge: (text: string) => void;
};

/** The document has changed while somebody wrote: both texts, and the choice. */
export function Newer({ draft, newer, onTake, onKeep, onMerge }: Props) {
  // Somebody may go on writing: to compare takes longer than a key.
  const text = useDeferredValue(draft.text);
  const merged = useMemo(
    () => mergeTexts(text, draft.base.content, newer.content),
    [text, draft.base.content, newer.content],
  );
  return (
    <section className={classes.notice} aria-label="Changed meanwhile">
      <h3 className={classes.noticeTitle}>It was changed while you wrote</h3>
      <div className={classes.noticeText}>
        What it is now stays in its history, whatever you do. Yours is nowhere but here: keep it to go on with
        it, and save it then.
      </div>
      <SideBySide before={newer.content} after={text} beforeLabel="What it is now" afterLabel="Yours" />
      <div className={classes.noticeActions}>
        {merged !== null && (
          <Button size="xs" disabled={text !== draft.text} onClick={() => onMerge(merged)}>
            Take both
          </Button>
        )}
        <Button size="xs" variant={merged === null ? 'filled' : 'default'} onClick={onKeep}>
          Keep mine
        </Button>
        <Button size="xs" variant="default" onClick={onTake}>
          Take what it is now
        </Button>
      </div>
    </section>
  );
}
