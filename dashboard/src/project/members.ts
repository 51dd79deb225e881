import { useQuery } from '@tanstack/react-query';
import { type Db, useDb } from '../supabase/client';
import { must, Problem } from '../supabase/problem';
import type { Role } from './project';

/** Somebody who may see the project. */
export type Member = { userId: string; email: string; role: Role; since: string };

export const ROLES: { value: Role; label: string; can: string }[] = [
  { value: 'owner', label: 'Owner', can: 'everything, members and hosts included' },
  { value: 'editor', label: 'Editor', can: 'agents, their files and what is asked of them' },
  { value: 'viewer', label: 'Viewer', can: 'only look' },
];

export const membersKey = (projectId: string) => ['live', projectId, 'members'] as const;

/** Who may see the project, and what each may do. */
export function useMembers(projectId: string) {
  const db = useDb();
  return useQuery({
    queryKey: membersKey(projectId),
    queryFn: async (): Promise<Member[]> => {
      const rows = await must(db.rpc('list_members', { project_id: projectId }));
      return rows.map(({ user_id, email, role, created_at }) => ({
        userId: user_id,
        email,
        role: role as Role,
        since: created_at,
      }));
    },
  });
}

/** Adds somebody who has signed up, or gives a member another role. */
export async function setRole(db: Db, projectId: string, email: string, role: Role): Promise<void> {
  await must(db.rpc('add_member', { project_id: projectId, email: email.trim(), role }));
}

export async function removeMember(db: Db, projectId: string, email: string): Promise<void> {
  const removed = await must(db.rpc('remove_member', { project_id: projectId, email }));
  if (removed !== true) throw new Problem(`${email} is no member any more.`, null, 'PT404');
}

/** Whether a member may be changed: the last owner may not, as nobody could let anybody in again. */
export function isLastOwner(member: Member, members: readonly Member[]): boolean {
  return member.role === 'owner' && members.filter(({ role }) => role === 'owner').length === 1;
}

/** What is wrong with an address for a new member, or null. */
export function emailProblem(email: string, members: readonly Member[]): string | null {
  const address = email.trim();
  if (!/^[^\s@]+@[^\s@]+$/.test(address)) return 'An e-mail address, such as mia@example.com.';
  // Adding them would change their role without a word.
  const known = members.some((member) => member.email.toLowerCase() === address.toLowerCase());
  return known ? 'They are a member already. Their role can be changed above.' : null;
}
