import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext } from 'react';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { useSession } from '../supabase/session';

/** What a person may do in a project. */
export type Role = 'owner' | 'editor' | 'viewer';
/** A project as it is shown. */
export type Project = { id: string; name: string; role: Role; canEdit: boolean };

/** Who is let in, let go or given another role sees it within a minute: nothing tells the page of it. */
const REFETCH_MS = 60_000;

/** The projects that the person is a member of. */
export function useProjects() {
  const db = useDb();
  const { user } = useSession();
  return useQuery({
    queryKey: ['projects', user.id],
    staleTime: REFETCH_MS,
    refetchInterval: REFETCH_MS,
    queryFn: async (): Promise<Project[]> => {
      const [projects, roles] = await Promise.all([
        must(db.from('projects').select('id, name').order('name')),
        must(db.from('project_members').select('project_id, role').eq('user_id', user.id)),
      ]);
      const byProject = new Map(roles.map((row) => [row.project_id, row.role as Role]));
      return projects.map(({ id, name }) => {
        const role = byProject.get(id) ?? 'viewer';
        return { id, name: name || id, role, canEdit: role !== 'viewer' };
      });
    },
  });
}

const ProjectContext = createContext<Project | null>(null);

export function ProjectProvider({ project, children }: { project: Project; children: ReactNode }) {
  return <ProjectContext value={project}>{children}</ProjectContext>;
}

/** The project that is shown, and what the person may do in it. */
export function useProject(): Project {
  const project = useContext(ProjectContext);
  if (!project) throw new Error('useProject is used outside of a project');
  return project;
}
