import { Button, Group, Modal } from '@mantine/core';
import { useCallback, useState } from 'react';
import { Ago } from '../../layout/Ago';
import { tellFailed, useAction } from '../../layout/action';
import { ConfirmByName } from '../../layout/ConfirmByName';
import { useFocusBack } from '../../layout/focus';
import { Failed, Loading } from '../../layout/states';
import { useProject } from '../../project/project';
import { useDb } from '../../supabase/client';
import { useSession } from '../../supabase/session';
import {
  type DocRef,
  type DocText,
  eraseDoc,
  restoreDoc,
  useDocText,
  useRefreshDocs,
  useVersions,
  type Version,
} from './docs';
import classes from './Files.module.css';
import { SideBySide } from './SideBySide';
import { reasonWords } from './sync';

type Props = { doc: DocText; reference: DocRef; name: string; agentName: string; onClose: () => void };

/** All versions of a document: what changed, by whom, and the way back. */
export default function History({ doc, reference, name, agentName, onClose }: Props) {
  useFocusBack();
  const versions = useVersions(reference);
  const [chosen, setChosen] = useState<number | null>(null);
  const shown = chosen ?? versions.data?.find(({ version }) => version !== doc.version)?.version ?? null;
  return (
    <Modal
      opened
      onClose={onClose}
      title={`History of ${name}`}
      size={1100}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {versions.isPending && <Loading rows={3} height={44} />}
      {versions.isError && <Failed error={versions.error} retry={() => void versions.refetch()} />}
      {versions.data && (
        <div className={classes.history}>
          <div className={classes.historyList}>
            <ol className={classes.versions} aria-label="Versions">
              {versions.data.map((version) => (
                <li key={version.version}>
                  <VersionButton
                    version={version}
                    isCurrent={version.version === doc.version}
                    isShown={version.version === shown}
                    agentName={agentName}
                    onClick={() => setChosen(version.version)}
                  />
                </li>
              ))}
            </ol>
          </div>
          {shown === null ? (
            <div className={classes.noticeText}>There is no other version yet.</div>
          ) : (
            <Compared doc={doc} reference={reference} name={name} version={shown} onDone={onClose} />
          )}
        </div>
      )}
    </Modal>
  );
}

type ButtonProps = {
  version: Version;
  isCurrent: boolean;
  isShown: boolean;
  agentName: string;
  onClick: () => void;
};

function VersionButton({ version, isCurrent, isShown, agentName, onClick }: ButtonProps) {
  const { user } = useSession();
  const why = reasonWords(version.reason);
  return (
    <button type="button" className={classes.version} aria-pressed={isShown} onClick={onClick}>
      <b>
        Version {version.version}
        {isCurrent && ' · now'}
      </b>
      <Ago at={version.created_at} />
      <span className={classes.who}>
        {whoWrote(version, user.id, agentName)}
        {why && `, ${why}`}
        {version.pinned && ', pinned'}
      </span>
      <span className={classes.who}>{bytes(version.size_bytes)}</span>
    </button>
  );
}

/** Who wrote a version, as far as it is known. */
function whoWrote({ author_kind, author_id, updated_by }: Version, self: string, agentName: string): string {
  if (author_id === self || updated_by === `user:${self}`) return 'You';
  if (author_kind === 'person')
    return updated_by && !updated_by.startsWith('user:') ? updated_by : 'Somebody else';
  if (author_kind === 'agent') return `${agentName}, on the disk`;
  if (author_kind === 'template') return 'OpenClaw’s template';
  return updated_by ?? author_kind;
}

const bytes = (size: number) => (size < 1_024 ? `${size} B` : `${(size / 1_024).toFixed(1)} kB`);

type ComparedProps = { doc: DocText; reference: DocRef; name: string; version: number; onDone: () => void };

function Compared({ doc, reference, name, version, onDone }: ComparedProps) {
  const db = useDb();
  const { canEdit, role } = useProject();
  const refresh = useRefreshDocs(reference);
  const text = useDocText(reference, version);
  const [erasing, setErasing] = useState(false);
  const [restore, busy] = useAction(
    useCallback(async () => {
      const answer = await restoreDoc(db, reference, version, doc.version);
      await refresh();
      if (!answer.ok) {
        tellFailed(new Error('Somebody has changed it meanwhile. Look at it again, then restore.'));
        return undefined;
      }
      onDone();
      return `${name} is as it was in version ${version}.`;
    }, [db, reference, version, doc.version, refresh, name, onDone]),
  );
  if (text.isPending) return <Loading rows={1} height={300} />;
  if (!text.data) return <Failed error={text.error} retry={() => void text.refetch()} />;
  return (
    <div>
      <SideBySide
        before={text.data.content}
        after={doc.content}
        beforeLabel={`Version ${version}`}
        afterLabel={`Now (version ${doc.version})`}
      />
      {canEdit && version !== doc.version && (
        <Group justify="flex-end" gap="xs" mt="md">
          {role === 'owner' && (
            <Button variant="subtle" color="red" size="xs" onClick={() => setErasing(true)}>
              Erase for good…
            </Button>
          )}
          <Button size="xs" loading={busy} onClick={() => void restore()}>
            Restore version {version}
          </Button>
        </Group>
      )}
      <ConfirmByName
        opened={erasing}
        onClose={() => setErasing(false)}
        title={`Erase version ${version}`}
        name={name}
        verb="Erase version"
        onConfirm={async () => {
          await eraseDoc(db, reference, version);
          await refresh();
          onDone();
        }}
      >
        Nobody can bring this text back. Every version that has the same text goes with it.
      </ConfirmByName>
    </div>
  );
}
