import { Link, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { AgentView } from '../../agents/agents';
import { Failed } from '../../layout/states';
import { useSession } from '../../supabase/session';
import { DocView } from './DocView';
import { type Doc, useDocs } from './docs';
import { draftKey, keptText } from './draft';
import classes from './Files.module.css';
import { DOC_TYPES, DOC_WORDS, type DocType } from './types';

/** What an agent knows and is: its documents, which are files on its host. */
export default function Files({ view }: { view: AgentView }) {
  const { project_id, agent_key, id } = view.agent;
  const { user } = useSession();
  const agent = useMemo(() => ({ project_id, agent_key, agent_id: id }), [project_id, agent_key, id]);
  const docs = useDocs(agent);
  const { file = 'soul' } = useSearch({ from: '/p/$project/agents/$agent' });
  const reference = useMemo(() => ({ ...agent, doc_type: file }), [agent, file]);
  const docOf = new Map(docs.data?.map((doc) => [doc.doc_type, doc]));
  return (
    <div className={classes.layout}>
      <nav aria-label="Files">
        <ul className={classes.list}>
          {DOC_TYPES.map((type) => (
            <li key={type}>
              <Link
                from="/p/$project/agents/$agent"
                to="."
                search={{ tab: 'files', file: type }}
                className={classes.item}
                activeOptions={{ includeSearch: true }}
                aria-current={type === file ? 'page' : undefined}
              >
                <span>
                  <span className={classes.file}>{fileName(type, docOf.get(type))}</span>
                  <span className={classes.about}>{DOC_WORDS[type].about}</span>
                </span>
                <Mark doc={docOf.get(type)} hasDraft={keptText(draftKey(user.id, id, type)) !== null} />
              </Link>
            </li>
          ))}
        </ul>
        {docs.isError && !docs.data && <Failed error={docs.error} retry={() => void docs.refetch()} />}
      </nav>
      <DocView
        key={file}
        reference={reference}
        name={fileName(file, docOf.get(file))}
        agentName={view.name}
      />
    </div>
  );
}

/** What the file of a document is called on the disk. */
function fileName(type: DocType, doc: Doc | undefined): string {
  if (type === 'memory_today' && doc?.doc_date) return `memory/${doc.doc_date}.md`;
  return DOC_WORDS[type].file;
}

function Mark({ doc, hasDraft }: { doc: Doc | undefined; hasDraft: boolean }) {
  const [state, label] =
    doc?.conflict_version != null
      ? ['conflict', 'has a conflict']
      : doc?.held_version != null
        ? ['held', 'is held back']
        : doc?.sync_state === 'blocked'
          ? ['blocked', 'cannot be written']
          : hasDraft
            ? ['draft', 'has changes that are not saved']
            : [null, null];
  return (
    state && <span className={classes.mark} data-state={state} role="img" aria-label={label} title={label} />
  );
}
