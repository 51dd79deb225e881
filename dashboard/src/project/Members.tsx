import { ActionIcon, Button, NativeSelect, TextInput } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Ago } from '../layout/Ago';
import { tellDone, useAction } from '../layout/action';
import { ConfirmByName } from '../layout/ConfirmByName';
import { Card } from '../layout/Page';
import { Failed, Loading } from '../layout/states';
import { useDb } from '../supabase/client';
import { useSession } from '../supabase/session';
import {
  emailProblem,
  isLastOwner,
  type Member,
  membersKey,
  ROLES,
  removeMember,
  setRole,
  useMembers,
} from './members';
import classes from './Project.module.css';
import { type Role, useProject } from './project';

/** Who may see and change the project. */
export function Members() {
  const db = useDb();
  const project = useProject();
  const queries = useQueryClient();
  const members = useMembers(project.id);
  const [leaving, setLeaving] = useState<Member | null>(null);
  const refresh = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: membersKey(project.id) }),
      queries.invalidateQueries({ queryKey: ['projects'] }),
    ]);
  const isOwner = project.role === 'owner';
  return (
    <Card title="Members">
      {members.isPending && <Loading rows={2} height={40} />}
      {members.isError && !members.data && (
        <Failed error={members.error} retry={() => void members.refetch()} />
      )}
      <ul className={classes.list} aria-label="Members">
        {(members.data ?? []).map((member) => (
          <MemberRow
            key={member.userId}
            member={member}
            changeable={isOwner && !isLastOwner(member, members.data ?? [])}
            refresh={refresh}
            onRemove={() => setLeaving(member)}
          />
        ))}
      </ul>
      {isOwner && members.data && <AddMember members={members.data} refresh={refresh} />}
      {!isOwner && members.data && (
        <p className={classes.note}>Owners of the project add and remove members.</p>
      )}
      <ConfirmByName
        opened={leaving !== null}
        onClose={() => setLeaving(null)}
        title="Remove the member?"
        name={leaving?.email ?? ''}
        verb="Remove member"
        onConfirm={async () => {
          if (!leaving) return;
          await removeMember(db, project.id, leaving.email);
          await refresh();
          tellDone(`${leaving.email} is no member any more.`);
        }}
      >
        {leaving?.email} sees nothing of {project.name} any more, at once. What they made stays.
      </ConfirmByName>
    </Card>
  );
}

type RowProps = {
  member: Member;
  changeable: boolean;
  refresh: () => Promise<unknown>;
  onRemove: () => void;
};

function MemberRow({ member, changeable, refresh, onRemove }: RowProps) {
  const db = useDb();
  const project = useProject();
  const { user } = useSession();
  const isSelf = member.userId === user.id;
  const [lesser, setLesser] = useState<Role | null>(null);
  const give = async (role: Role) => {
    await setRole(db, project.id, member.email, role);
    await refresh();
    return `${member.email} is ${role} now.`;
  };
  const [change, busy] = useAction(give);
  const choose = (role: Role) => {
    // Who is no owner any more cannot take that back.
    if (isSelf && role !== 'owner') setLesser(role);
    else void change(role);
  };
  return (
    <li className={classes.row} data-member={member.email}>
      <span className={classes.initial} aria-hidden>
        {member.email.charAt(0).toUpperCase()}
      </span>
      <span className={classes.grow}>
        <span className={classes.name}>
          {member.email}
          {isSelf && <span className={classes.you}>you</span>}
        </span>
        <span className={classes.sub}>
          <Ago at={member.since} prefix="since" />
        </span>
      </span>
      {changeable ? (
        <>
          <NativeSelect
            size="xs"
            className={classes.role}
            aria-label={`Role of ${member.email}`}
            value={member.role}
            disabled={busy}
            onChange={(event) => choose(event.currentTarget.value as Role)}
            data={ROLES.map(({ value, label }) => ({ value, label }))}
          />
          <ConfirmByName
            opened={lesser !== null}
            onClose={() => setLesser(null)}
            title="Be no owner any more?"
            name={member.email}
            verb="Give it up"
            onConfirm={async () => {
              if (lesser) tellDone(await give(lesser));
            }}
          >
            You can then neither change members nor what the project is called. Only another owner can give it
            back to you.
          </ConfirmByName>
          <ActionIcon variant="subtle" color="gray" onClick={onRemove} aria-label={`Remove ${member.email}`}>
            <IconTrash size={17} stroke={1.6} />
          </ActionIcon>
        </>
      ) : (
        <span className={classes.sub}>{ROLES.find(({ value }) => value === member.role)?.label}</span>
      )}
    </li>
  );
}

function AddMember({ members, refresh }: { members: readonly Member[]; refresh: () => Promise<unknown> }) {
  const db = useDb();
  const project = useProject();
  const [email, setEmail] = useState('');
  const [role, setRoleWish] = useState<Role>('editor');
  const [problem, setProblem] = useState<string | null>(null);
  const [add, busy] = useAction(async () => {
    await setRole(db, project.id, email, role);
    await refresh();
    setEmail('');
    return `${email.trim()} is ${role} now.`;
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wrong = emailProblem(email, members);
    setProblem(wrong);
    if (!wrong) void add();
  };
  const can = ROLES.find(({ value }) => value === role)?.can;
  return (
    <form className={classes.add} onSubmit={submit} noValidate>
      <TextInput
        className={classes.grow}
        type="email"
        label="Add somebody who has signed up"
        placeholder="mia@example.com"
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
        error={problem}
        autoComplete="off"
      />
      <NativeSelect
        label="Role"
        value={role}
        onChange={(event) => setRoleWish(event.currentTarget.value as Role)}
        data={ROLES.map(({ value, label }) => ({ value, label }))}
      />
      <Button type="submit" variant="default" loading={busy}>
        Add
      </Button>
      <p className={classes.can}>
        {ROLES.find(({ value }) => value === role)?.label}: {can}.
      </p>
    </form>
  );
}
