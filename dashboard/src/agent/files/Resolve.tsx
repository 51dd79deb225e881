import { Button } from '@mantine/core';
import { useCallback } from 'react';
import { useAction } from '../../layout/action';
import { Failed, Loading } from '../../layout/states';
import { useProject } from '../../project/project';
import { useDb } from '../../supabase/client';
import { type DocRef, type DocText, resolveDoc, useDocText, useRefreshDocs } from './docs';
import classes from './Files.module.css';
import { SideBySide } from './SideBySide';

type Props = { doc: DocText; reference: DocRef; name: string };

/** What is held back or in conflict: both texts side by side, and the choice. */
export function Resolve({ doc, reference, name }: Props) {
  if (doc.held_version !== null) {
    return (
      <Choice
        doc={doc}
        reference={reference}
        other={doc.held_version}
        otherIs="disk"
        title={`${name} on the disk says less`}
      >
        The file on the disk has lost most of its text, or all of it. Nothing was copied.
      </Choice>
    );
  }
  if (doc.conflict_version !== null) {
    return (
      <Choice
        doc={doc}
        reference={reference}
        other={doc.conflict_version}
        otherIs="page"
        title={`${name} was changed on both sides`}
      >
        The disk’s text is in force, as the agent works with it. What the page had is kept.
      </Choice>
    );
  }
  return null;
}

type ChoiceProps = {
  doc: DocText;
  reference: DocRef;
  other: number;
  otherIs: 'disk' | 'page';
  title: string;
  children: string;
};

function Choice({ doc, reference, other, otherIs, title, children }: ChoiceProps) {
  const db = useDb();
  const { canEdit } = useProject();
  const refresh = useRefreshDocs(reference);
  const text = useDocText(reference, other);
  const [take, busy] = useAction(
    useCallback(
      async (side: 'disk' | 'page') => {
        await resolveDoc(db, reference, side);
        await refresh();
        return side === 'disk' ? 'The disk’s text is taken.' : 'The page’s text is taken.';
      },
      [db, reference, refresh],
    ),
  );
  const [disk, page] =
    otherIs === 'disk' ? [text.data?.content, doc.content] : [doc.content, text.data?.content];
  return (
    <section
      className={classes.notice}
      aria-label={title}
      data-resolve={otherIs === 'disk' ? 'held' : 'conflict'}
    >
      <h3 className={classes.noticeTitle}>{title}</h3>
      <div className={classes.noticeText}>
        {children} {canEdit ? 'Say which one it is to be.' : 'An editor says which one it is to be.'}
      </div>
      {text.isPending && <Loading rows={1} height={120} />}
      {text.isError && <Failed error={text.error} retry={() => void text.refetch()} />}
      {disk !== undefined && page !== undefined && (
        <SideBySide before={page} after={disk} beforeLabel="On the page" afterLabel="On the disk" />
      )}
      {canEdit && (
        <div className={classes.noticeActions}>
          <Button size="xs" loading={busy} disabled={!text.data} onClick={() => void take('page')}>
            Take the page’s
          </Button>
          <Button
            size="xs"
            variant="default"
            loading={busy}
            disabled={!text.data}
            onClick={() => void take('disk')}
          >
            Take the disk’s
          </Button>
        </div>
      )}
    </section>
  );
}
