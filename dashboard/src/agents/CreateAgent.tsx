import {
  Autocomplete,
  Button,
  Group,
  Modal,
  NativeSelect,
  Stack,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useRef, useState } from 'react';
import type { HostView } from '../hosts/hosts';
import { tellDone } from '../layout/action';
import { useFocusBack } from '../layout/focus';
import { Failed } from '../layout/states';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import { idFromName, idProblem } from './agentId';
import type { AgentView } from './agents';
import classes from './CreateAgent.module.css';
import { backendChoices, chosenBackend, hostChoices, modelChoices, waitingWords } from './choices';
import { createAgent } from './create';
import { TEMPLATES } from './templates';

type Props = { onClose: () => void; hosts: readonly HostView[]; known: readonly AgentView[] };

/** Asks who the new agent is to be and where it is to live. */
export default function CreateAgent({ onClose, hosts, known }: Props) {
  const db = useDb();
  const project = useProject();
  const navigate = useNavigate();
  useFocusBack();
  const [templateId, setTemplateId] = useState('blank');
  const template = TEMPLATES.find(({ id }) => id === templateId) ?? TEMPLATES[0];
  const [name, setName] = useState('');
  // What is not typed follows from something else.
  const [typedId, setTypedId] = useState<string | null>(null);
  const [typedEmoji, setTypedEmoji] = useState<string | null>(null);
  const [typedRole, setTypedRole] = useState<string | null>(null);
  const [typedSoul, setTypedSoul] = useState<string | null>(null);
  const [hostId, setHostId] = useState('');
  const [wantedBackend, setWantedBackend] = useState('shared');
  const [model, setModel] = useState('');
  const [touched, setTouched] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const ours = useRef(new Set<string>());

  const short = typedId ?? idFromName(name);
  // Rows that a first try has made are no reason to refuse the second one.
  const taken = new Set(known.map((view) => view.short).filter((id) => !ours.current.has(id)));
  const problem = idProblem(short, taken);
  const backends = backendChoices(hosts, hostId);
  const backend = chosenBackend(backends, wantedBackend);
  const waits = waitingWords(hosts, hostId);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (problem || busy) return;
    setBusy(true);
    setError(null);
    try {
      const wish = {
        short,
        name: name.trim() || short,
        emoji: (typedEmoji ?? template?.emoji ?? '').trim(),
        role: (typedRole ?? template?.role ?? '').trim(),
        soul: typedSoul ?? template?.soul ?? null,
        model: model.trim() || null,
        backend,
        hostId: hostId || null,
      };
      await createAgent(db, project.id, wish, ours.current);
      tellDone(`${name.trim() || short} is on its way.`);
      onClose();
      await navigate({ to: '/p/$project/agents', params: { project: project.id } });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      // What fails is said here.
      onClose={busy ? () => {} : onClose}
      // A click beside it would cost what was typed.
      closeOnClickOutside={false}
      title="New agent"
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <fieldset className={classes.templates}>
            <legend className={classes.legend}>Begin with</legend>
            {TEMPLATES.map(({ id, label, emoji }) => (
              <label key={id} className={classes.template}>
                <input
                  type="radio"
                  name="template"
                  value={id}
                  checked={templateId === id}
                  onChange={() => setTemplateId(id)}
                />
                <span className={classes.emoji} aria-hidden>
                  {emoji}
                </span>
                {label}
              </label>
            ))}
          </fieldset>
          <div className={classes.row}>
            <TextInput
              label="Emoji"
              value={typedEmoji ?? template?.emoji ?? ''}
              onChange={(event) => setTypedEmoji(event.currentTarget.value)}
              maxLength={12}
            />
            <TextInput
              label="Name"
              placeholder="Scout"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              maxLength={200}
              data-autofocus
            />
          </div>
          <div className={classes.pair}>
            <TextInput
              label="Id"
              description="For good: its folder is called so"
              placeholder="scout"
              value={short}
              onChange={(event) => setTypedId(event.currentTarget.value)}
              onBlur={() => setTouched(true)}
              error={touched && (name !== '' || typedId !== null) ? problem : undefined}
              spellCheck={false}
              maxLength={63}
            />
            <TextInput
              label="Role"
              description="In a few words"
              value={typedRole ?? template?.role ?? ''}
              onChange={(event) => setTypedRole(event.currentTarget.value)}
              maxLength={200}
            />
          </div>
          <div className={classes.pair}>
            <NativeSelect
              label="Host"
              value={hostId}
              onChange={(event) => setHostId(event.currentTarget.value)}
              data={hostChoices(hosts)}
            />
            <NativeSelect
              label="Runs in"
              value={backend}
              onChange={(event) => setWantedBackend(event.currentTarget.value)}
              data={backends}
            />
          </div>
          <Autocomplete
            label="Model"
            description="Empty for the usual one of its host"
            placeholder="provider/model"
            value={model}
            onChange={setModel}
            data={modelChoices(hosts, hostId)}
            spellCheck={false}
          />
          <Textarea
            label="Soul"
            description="Who it is and how it works: its SOUL.md. Empty for OpenClaw’s own"
            value={typedSoul ?? template?.soul ?? ''}
            onChange={(event) => setTypedSoul(event.currentTarget.value)}
            autosize
            minRows={4}
            maxRows={10}
          />
          {waits && (
            <Text size="sm" c="dimmed" role="status">
              {waits}
            </Text>
          )}
          {error !== null && <Failed error={error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={busy}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={problem !== null}>
              Create agent
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
