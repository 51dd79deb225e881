import { Menu } from '@mantine/core';
import { IconCheck } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useProject, useProjects } from '../project/project';
import { useOpenMenu } from './LazyMenu';
import { ProjectButton } from './ProjectButton';

/** Which project is shown, and a way to another one. */
export default function ProjectMenu() {
  const project = useProject();
  const projects = useProjects();
  const navigate = useNavigate();
  const { target, menu } = useOpenMenu();
  return (
    <Menu position="bottom-start" width={220} {...menu}>
      <Menu.Target>
        <ProjectButton ref={target} />
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Projects</Menu.Label>
        {(projects.data ?? []).map(({ id, name }) => (
          <Menu.Item
            key={id}
            onClick={() => void navigate({ to: '/p/$project/agents', params: { project: id } })}
            rightSection={id === project.id ? <IconCheck size={15} /> : undefined}
          >
            {name || id}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
