import type { Json } from '../database.types';
import { call } from '../supabase/call';
import type { Db } from '../supabase/client';
import { must, Problem } from '../supabase/problem';
import type { FleetHost } from './fleet';

type Status = 'draining' | 'online' | 'retired';
type Change = {
  status?: Status;
  name?: string;
  capacity?: number;
  tags?: string[];
  price?: Json;
  tenancy?: string;
};

/** Writes what the owner of a host may write. */
export async function changeHost(db: Db, hostId: string, change: Change): Promise<void> {
  const written = await must(db.from('hosts').update(change).eq('id', hostId).select('id'));
  // Row security lets nobody else find the row, which is no error for the Data API.
  if (written.length === 0) throw new Problem('The host is not yours.', 'Its owner can do that.', '42501');
}

/** Takes a host out of service for good: nothing waits for it any more, and its logins and keys end. */
export async function retireHost(db: Db, hostId: string): Promise<void> {
  // In this order: what fails between the two leaves a host that can still be retired, and no keys of one that is.
  await revokeAccess(db, hostId);
  await changeHost(db, hostId, { status: 'retired' });
}

/** Ends every login and key of a host at once. */
export async function revokeAccess(db: Db, hostId: string): Promise<void> {
  await call(db, 'revoke_host_access', { host_id: hostId });
}

/** Lets a host serve a project, or not any more. */
export async function setServing(db: Db, hostId: string, projectId: string, serves: boolean): Promise<void> {
  if (serves) {
    await must(db.from('project_hosts').insert({ host_id: hostId, project_id: projectId }));
    return;
  }
  const gone = await must(
    db.from('project_hosts').delete().eq('host_id', hostId).eq('project_id', projectId).select('host_id'),
  );
  if (gone.length === 0) {
    throw new Problem('You may not do this.', 'An owner of the project or of the host can.', '42501');
  }
}

/** What the person may do with a host, by who they are and by how it stands. */
export function hostActions({ mine, terms, host }: FleetHost, role: string) {
  const alive = host.status !== 'retired';
  return {
    edit: mine && alive,
    drain: mine && (host.status === 'online' || host.status === 'enrolled'),
    resume: mine && host.status === 'draining',
    newKey: mine && alive,
    revoke: mine && alive,
    retire: mine && alive,
    serve: mine && alive && terms === null && role === 'owner',
    // Who rents ends the subscription instead.
    release: terms !== null && (mine || (role === 'owner' && terms === 'own')),
  };
}
