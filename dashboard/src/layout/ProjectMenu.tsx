import { Menu } from '@mantine/core';
import { IconCheck, IconSelector } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useProject, useProjects } from '../project/project';
import classes from './Shell.module.css';

/** Which project is shown, and a way to another one. */
export function ProjectMenu() {
  const project = useProject();
  const projects = useProjects();
  const navigate = useNavigate();
  return (
    <Menu position="bottom-start" width={220}>
      <Menu.Target>
        <button
          type="button"
          className={classes.select}
          aria-label={`Project ${project.name}; choose another one`}
        >
          <span>{project.name}</span>
          <IconSelector size={15} stroke={1.6} aria-hidden />
        </button>
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
