import { Button, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useAction } from '../layout/action';
import { Card, Page } from '../layout/Page';
import { useDb } from '../supabase/client';
import { must, Problem } from '../supabase/problem';
import { Members } from './Members';
import classes from './Project.module.css';
import { useProject } from './project';
import { Webhooks } from './Webhooks';

/** Who belongs to the project, what it is called, who is told what goes wrong in it. */
export default function ProjectPage() {
  const project = useProject();
  return (
    <Page title="Project" subtitle={`You are ${project.role} of ${project.name}`}>
      <div className={classes.columns}>
        <div className={classes.column}>
          <Members />
        </div>
        <div className={classes.column}>
          <Webhooks />
          <Name key={project.name} />
        </div>
      </div>
    </Page>
  );
}

/** What the project is called, and what programs call it. */
function Name() {
  const db = useDb();
  const project = useProject();
  const queries = useQueryClient();
  const [name, setName] = useState(project.name);
  const isOwner = project.role === 'owner';
  const [rename, busy] = useAction(async () => {
    const written = await must(
      db.from('projects').update({ name: name.trim() }).eq('id', project.id).select('id'),
    );
    if (written.length === 0)
      throw new Problem('You may not do this.', 'Ask an owner of the project.', '42501');
    await queries.invalidateQueries({ queryKey: ['projects'] });
    return `The project is called ${name.trim()} now.`;
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) void rename();
  };
  return (
    <Card title="Name">
      <form className={classes.rename} onSubmit={submit}>
        <TextInput
          className={classes.grow}
          label="What people call it"
          value={name}
          disabled={!isOwner}
          onChange={(event) => setName(event.currentTarget.value)}
          autoComplete="off"
        />
        {isOwner && (
          <Button
            type="submit"
            variant="default"
            loading={busy}
            disabled={!name.trim() || name.trim() === project.name}
          >
            Rename
          </Button>
        )}
      </form>
      <p className={classes.note}>
        Programs call it <code>{project.id}</code>.
      </p>
    </Card>
  );
}
