import { Button } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import { Suspense, useCallback, useState } from 'react';
import { tellDone, useAction } from '../../layout/action';
import { part } from '../../layout/part';
import { Failed, Loading } from '../../layout/states';
import { useProject } from '../../project/project';
import { useDb } from '../../supabase/client';
import { type DocRef, type DocText, useDocText, useRefreshDocs, writeDoc } from './docs';
import { isDirty } from './draft';
import classes from './Files.module.css';
import { Newer } from './Newer';
import { Resolve } from './Resolve';
import { syncWords } from './sync';
import { useDraft } from './useDraft';

const Editor = part(() => import('./Editor'));
const History = part(() => import('./History'));

type Props = { reference: DocRef; name: string; agentName: string };

/** One document: its text, where it stands with the disk, its history. */
export function DocView({ reference, name, agentName }: Props) {
  const text = useDocText(reference);
  if (text.isPending) return <Loading rows={1} height={420} />;
  if (!text.data) {
    return (
      <Failed error={text.error} retry={() => void text.refetch()} title={`${name} could not be loaded`} />
    );
  }
  return <Loaded doc={text.data} reference={reference} name={name} agentName={agentName} />;
}

function Loaded({ doc, reference, name, agentName }: Props & { doc: DocText }) {
  const db = useDb();
  const { canEdit } = useProject();
  const refresh = useRefreshDocs(reference);
  const [draft, tell] = useDraft(reference, doc, canEdit);
  const [showsHistory, setShowsHistory] = useState(false);
  const dirty = isDirty(draft);

  const [save, saving] = useAction(
    useCallback(
      async (written: string, baseVersion: number) => {
        const answer = await writeDoc(db, reference, written, baseVersion);
        if (!answer.ok) {
          tell({ type: 'refused', now: answer.current });
          throw new Error('Somebody has changed it meanwhile. Your text is kept: see how the two differ.');
        }
        tell({ type: 'saved', version: answer.version, content: written });
        await refresh();
        return undefined;
      },
      [db, reference, refresh, tell],
    ),
  );
  const saveNow = () => {
    if (!dirty || saving || !canEdit) return;
    void save(draft.text, draft.base.version).then((done) => done && tellDone(`${name} is saved.`));
  };
  const sync = syncWords(doc);
  return (
    <div>
      <div className={classes.notices}>
        <Resolve doc={doc} reference={reference} name={name} />
        {draft.newer && (
          <Newer
            draft={draft}
            newer={draft.newer}
            onTake={() => tell({ type: 'take_newer' })}
            onKeep={() => tell({ type: 'keep_mine' })}
            onMerge={(merged) => {
              tell({ type: 'keep_mine' });
              tell({ type: 'edited', text: merged });
            }}
          />
        )}
      </div>
      <section className={classes.doc} aria-label={name}>
        <div className={classes.bar}>
          <h2 className={classes.barTitle}>{name}</h2>
          <output className={classes.sync} data-sync-state={doc.sync_state}>
            {saving ? 'Saving…' : dirty ? 'Not saved' : sync}
          </output>
          <Button
            variant="subtle"
            color="gray"
            size="xs"
            leftSection={<IconHistory size={15} stroke={1.7} />}
            onClick={() => setShowsHistory(true)}
          >
            History
          </Button>
          {canEdit && (
            <>
              <Button
                variant="default"
                size="xs"
                disabled={!dirty}
                onClick={() => tell({ type: 'discarded' })}
              >
                Discard
              </Button>
              <Button size="xs" disabled={!dirty || draft.newer !== null} loading={saving} onClick={saveNow}>
                Save
              </Button>
            </>
          )}
        </div>
        <div className={classes.editor}>
          <Suspense fallback={<Loading rows={1} height={360} />}>
            <Editor
              label={`Text of ${name}`}
              value={draft.text}
              readOnly={!canEdit}
              onChange={(next) => tell({ type: 'edited', text: next })}
              onSave={saveNow}
            />
          </Suspense>
        </div>
      </section>
      {doc.warning && <p className={classes.noticeText}>{doc.warning}</p>}
      {showsHistory && (
        <Suspense>
          <History
            doc={doc}
            reference={reference}
            name={name}
            agentName={agentName}
            onClose={() => setShowsHistory(false)}
          />
        </Suspense>
      )}
    </div>
  );
}
